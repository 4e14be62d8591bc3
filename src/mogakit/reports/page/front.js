"use strict";
// Draws every front on the page and shows the network that is pointed at. No library, nothing loaded.
(function () {
  const SVG = "http://www.w3.org/2000/svg";
  const BOX = { left: 68, right: 622, top: 16, bottom: 366 };
  const KERNEL = { 1: "#d9d9d9", 3: "#56b4e9", 5: "#e69f00", 7: "#d55e00" };

  function element(name, attributes, text) {
    const made = document.createElementNS(SVG, name);
    for (const key of Object.keys(attributes)) made.setAttribute(key, attributes[key]);
    if (text !== undefined) made.textContent = text;
    return made;
  }

  function html(name, className, text) {
    const made = document.createElement(name);
    if (className) made.className = className;
    if (text !== undefined) made.textContent = text;
    return made;
  }

  function show(metric, value) {
    if (value === null) return "not supported";
    if (metric.name === "params" || metric.name === "madds") return (value / 1e6).toFixed(3) + " M";
    return String(Number(value.toPrecision(4))) + (metric.unit ? " " + metric.unit : "");
  }

  function title(metric) {
    const unit = metric.name === "params" || metric.name === "madds" ? "M" : metric.unit;
    return metric.name + (unit ? " (" + unit + ")" : "");
  }

  function ticks(low, high, logarithmic) {
    const found = [];
    if (logarithmic) {
      for (let power = -6; power < 12; power++)
        for (const step of [1, 2, 5]) {
          const value = step * Math.pow(10, power);
          if (value >= low && value <= high) found.push(value);
        }
      return found;
    }
    const raw = (high - low) / 5;
    const unit = Math.pow(10, Math.floor(Math.log10(raw)));
    const step = [1, 2, 5, 10].map((times) => times * unit).find((size) => size >= raw) || raw;
    for (let value = Math.ceil(low / step) * step; value <= high + step / 1e6; value += step) found.push(value);
    return found;
  }

  function scale(values, from, to, logarithmic) {
    let low = Math.min(...values), high = Math.max(...values);
    if (low === high) { low -= Math.abs(low) / 10 || 1; high += Math.abs(high) / 10 || 1; }
    const map = logarithmic ? Math.log : (value) => value;
    const pad = (map(high) - map(low)) * 0.04;
    const start = map(low) - pad, end = map(high) + pad;
    const back = logarithmic ? Math.exp : (value) => value;
    const place = (value) => from + ((map(value) - start) / (end - start)) * (to - from);
    return { place: place, ticks: ticks(back(start), back(end), logarithmic) };
  }

  // What of the exact front is a front in the two metrics shown: it may have a third objective.
  function staircase(points, maximiseX, maximiseY) {
    const ordered = points.slice().sort((a, b) => (maximiseX ? b[0] - a[0] : a[0] - b[0]));
    const kept = [];
    for (const point of ordered) {
      const last = kept[kept.length - 1];
      if (!last || (maximiseY ? point[1] > last[1] : point[1] < last[1])) kept.push(point);
    }
    return kept;
  }

  function start(root) {
    const data = JSON.parse(document.getElementById(root.dataset.front).textContent);
    const plot = root.querySelector(".plot"), detail = root.querySelector(".detail");
    const selects = { x: root.querySelector(".x"), y: root.querySelector(".y") };
    const logBox = root.querySelector(".log");
    const picks = new Set(data.picks);
    const names = data.metrics.map((metric) => metric.name);
    for (const select of Object.values(selects))
      data.metrics.forEach((metric, index) => select.append(new Option(metric.name, String(index))));
    const latency = Math.max(names.findIndex((name) => name === "latency" || name.startsWith("f_")), 0);
    selects.x.value = String(latency);
    selects.y.value = String(latency === 0 ? Math.min(1, names.length - 1) : 0);
    let dots = [], order = [], current = -1, kept = -1;
    const span = data.networks.map((net) => net.v[latency]).filter((value) => value !== null && value > 0);
    logBox.checked = span.length > 1 && Math.max(...span) / Math.min(...span) > 6;

    function draw() {
      const x = Number(selects.x.value), y = Number(selects.y.value);
      const usable = data.networks.map((net, index) => ({ net: net, index: index }))
        .filter((one) => one.net.v[x] !== null && one.net.v[y] !== null);
      plot.replaceChildren();
      dots = []; order = [];
      if (!usable.length) return;
      const positive = usable.every((one) => one.net.v[x] > 0);
      const across = scale(usable.map((one) => one.net.v[x]), BOX.left, BOX.right, logBox.checked && positive);
      const up = scale(usable.map((one) => one.net.v[y]), BOX.bottom, BOX.top, false);
      drawAxes(across, up, data.metrics[x], data.metrics[y]);
      drawExact(x, y, across, up);
      usable.sort((a, b) => a.net.v[x] - b.net.v[x]);
      const late = [];
      for (const one of usable) {
        const isPick = picks.has(one.net.c);
        const spot = { cx: across.place(one.net.v[x]).toFixed(1), cy: up.place(one.net.v[y]).toFixed(1) };
        const dot = element("circle", Object.assign(spot, { r: isPick ? 7 : 4.5, class: isPick ? "net pick" : "net" }));
        dot.addEventListener("pointerenter", () => select(one.index, false));
        dot.addEventListener("click", () => select(one.index, true));
        dots[one.index] = dot;
        order.push(one.index);
        if (isPick) late.push(dot); else plot.append(dot);
      }
      plot.append(...late);
      select(kept >= 0 && dots[kept] ? kept : order.find((index) => picks.has(data.networks[index].c)) ?? order[0], false);
    }

    function drawAxes(across, up, xMetric, yMetric) {
      const big = (metric) => (metric.name === "params" || metric.name === "madds" ? 1e6 : 1);
      const text = (value) => String(Number(value.toPrecision(3)));
      for (const value of across.ticks) {
        const at = across.place(value);
        plot.append(element("line", { x1: at, x2: at, y1: BOX.top, y2: BOX.bottom, class: "grid" }));
        plot.append(element("text", { x: at, y: BOX.bottom + 20, "text-anchor": "middle" }, text(value / big(xMetric))));
      }
      for (const value of up.ticks) {
        const at = up.place(value);
        plot.append(element("line", { x1: BOX.left, x2: BOX.right, y1: at, y2: at, class: "grid" }));
        plot.append(element("text", { x: BOX.left - 6, y: at + 4, "text-anchor": "end" }, text(value / big(yMetric))));
      }
      plot.append(element("text", { x: (BOX.left + BOX.right) / 2, y: 408, "text-anchor": "middle" }, title(xMetric)));
      const turn = "rotate(-90 16 " + (BOX.top + BOX.bottom) / 2 + ")";
      plot.append(element("text", { x: 16, y: (BOX.top + BOX.bottom) / 2, "text-anchor": "middle", transform: turn }, title(yMetric)));
    }

    function drawExact(x, y, across, up) {
      const sense = (index) => (data.objectives.find((one) => one.metric === names[index]) || { maximise: false }).maximise;
      const known = data.exact.map((values) => [values[x], values[y]]).filter((one) => one[0] !== null && one[1] !== null);
      const inside = (point) => {
        const at = [across.place(point[0]), up.place(point[1])];
        return at[0] >= BOX.left && at[0] <= BOX.right && at[1] >= BOX.top && at[1] <= BOX.bottom ? at : null;
      };
      const line = staircase(known, sense(x), sense(y)).map(inside).filter((at) => at !== null);
      if (line.length < 2) return;
      const path = line.map((at) => at[0].toFixed(1) + "," + at[1].toFixed(1)).join(" ");
      plot.append(element("polyline", { points: path, class: "exact" }));
      plot.append(element("text", { x: BOX.right, y: BOX.bottom - 8, "text-anchor": "end" }, "grey line: the exact front"));
    }

    function select(index, keep) {
      if (index === undefined || index < 0) return;
      if (current >= 0 && dots[current]) dots[current].classList.remove("on");
      current = index;
      if (keep) kept = kept === index ? -1 : index;
      dots[index].classList.add("on");
      describe(data.networks[index]);
    }

    function describe(net) {
      detail.replaceChildren();
      detail.append(html("p", "name", data.space + "/" + net.c));
      if (picks.has(net.c)) detail.append(html("p", "", "A pick."));
      const list = html("dl", "");
      data.metrics.forEach((metric, index) => {
        list.append(html("dt", "", metric.name), html("dd", "", show(metric, net.v[index])));
      });
      detail.append(list);
      if (!data.slots.length) return;
      const blocks = html("div", "blocks");
      net.c.split("-").map(Number).forEach((gene, slot) => {
        const choice = data.slots[slot].choices[gene];
        const box = html("div", choice.se ? "block se" : "block");
        box.style.background = KERNEL[choice.k] || "#ccc";
        box.append(html("div", "", choice.k + "x" + choice.k), html("div", "", "e" + choice.e + (choice.se ? " se" : "")));
        if (choice.ms !== null) box.append(html("div", "", choice.ms + " ms"));
        box.title = "slot " + (slot + 1) + (choice.ms === null ? "" : ": " + choice.ms + " ms");
        blocks.append(box);
      });
      detail.append(blocks);
      detail.append(html("p", "hint", "Colour and first line: kernel. e: expansion. Blue frame: squeeze-and-excitation."));
    }

    plot.addEventListener("pointerleave", () => { if (kept >= 0) select(kept, false); });
    plot.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1 }[event.key];
      if (event.key === "Enter") { select(current, true); event.preventDefault(); }
      if (!step) return;
      event.preventDefault();
      const place = Math.min(Math.max(order.indexOf(current) + step, 0), order.length - 1);
      select(order[place], false);
    });
    for (const control of [selects.x, selects.y, logBox]) control.addEventListener("change", draw);
    draw();
  }

  for (const root of document.querySelectorAll(".front")) start(root);
})();
