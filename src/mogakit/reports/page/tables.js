"use strict";
// Sorts and filters the tables of the page, and gives each as a CSV file. No library, nothing loaded.
(function () {
  const LONG = 8; // rows from which a table gets a search box

  function made(name, className, text) {
    const element = document.createElement(name);
    if (className) element.className = className;
    if (text !== undefined) element.textContent = text;
    return element;
  }

  // "1.23 [1.0, 1.4]" sorts as 1.23; "-" and words are no numbers.
  function number(text) {
    const found = text.trim().match(/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?/i);
    return found ? Number(found[0]) : null;
  }

  function text(row, column) {
    return row.cells[column].textContent.trim();
  }

  function sort(table, column, descending) {
    const body = table.tBodies[0];
    const rows = Array.from(body.rows);
    const known = rows.map((row) => text(row, column)).filter((cell) => cell !== "-" && cell !== "");
    const numeric = known.length > 0 && known.every((cell) => number(cell) !== null);
    const value = (row) => {
      const cell = text(row, column);
      if (cell === "-" || cell === "") return null;
      return numeric ? number(cell) : cell;
    };
    const compare = (a, b) => (numeric ? a - b : a.localeCompare(b, "en", { numeric: true }));
    rows.sort((one, two) => {
      const a = value(one), b = value(two);
      if (a === null || b === null) return (a === null) - (b === null); // what is absent stands last
      return descending ? compare(b, a) : compare(a, b);
    });
    body.append(...rows);
    Array.from(table.tHead.rows[0].cells).forEach((cell, index) => {
      if (index === column) cell.setAttribute("aria-sort", descending ? "descending" : "ascending");
      else cell.removeAttribute("aria-sort");
    });
  }

  function makeSortable(table) {
    Array.from(table.tHead.rows[0].cells).forEach((cell, column) => {
      const button = made("button", "sort", cell.textContent);
      button.type = "button";
      button.title = "sort by this column";
      button.addEventListener("click", () => sort(table, column, cell.getAttribute("aria-sort") === "ascending"));
      cell.replaceChildren(button);
    });
  }

  // A cell that a spreadsheet would run as a formula becomes text.
  function field(cell) {
    const safe = /^[=+\-@\t]/.test(cell) && number(cell) === null && cell !== "-" ? "'" + cell : cell;
    return /[",\n]/.test(safe) ? '"' + safe.replace(/"/g, '""') + '"' : safe;
  }

  function csv(table) {
    const shown = Array.from(table.tBodies[0].rows).filter((row) => !row.hidden);
    const lines = [table.tHead.rows[0], ...shown].map((row) =>
      Array.from(row.cells).map((cell) => field(cell.textContent.trim())).join(","));
    return lines.join("\n") + "\n";
  }

  function download(table, name) {
    const link = made("a");
    link.href = URL.createObjectURL(new Blob([csv(table)], { type: "text/csv" }));
    link.download = name + ".csv";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  }

  function addTools(box, table, name) {
    const tools = made("div", "tools");
    const rows = Array.from(table.tBodies[0].rows);
    if (rows.length >= LONG) {
      const label = made("label", "", "filter ");
      const input = made("input");
      input.type = "search";
      input.placeholder = "words, all of them";
      const count = made("span", "count", rows.length + " rows");
      count.setAttribute("aria-live", "polite");
      input.addEventListener("input", () => {
        const words = input.value.toLowerCase().split(/\s+/).filter((word) => word);
        let shown = 0;
        for (const row of rows) {
          const content = row.textContent.toLowerCase();
          row.hidden = !words.every((word) => content.includes(word));
          if (!row.hidden) shown += 1;
        }
        count.textContent = shown + " of " + rows.length + " rows";
      });
      label.append(input);
      tools.append(label, count);
    }
    const save = made("button", "save", "save as CSV");
    save.type = "button";
    save.addEventListener("click", () => download(table, name));
    tools.append(save);
    box.before(tools);
  }

  document.querySelectorAll(".scroll").forEach((box, index) => {
    const table = box.querySelector("table");
    if (!table || !table.tBodies.length || table.tBodies[0].rows.length < 2) return;
    makeSortable(table);
    addTools(box, table, (box.closest("section") || { id: "table" }).id + "-" + index);
  });
})();
