"""One self-contained HTML page of a run: text and pictures are built here, `front.js` brings it to life."""
