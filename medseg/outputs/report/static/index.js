// The tables of the first page; everything else on it stands there without scripts.
"use strict";
const medsegIndex = ({ cases, regions }) => {
  const status = cases.columns.findIndex(column => column.name === "status");
  const about = { title: "Cases", ...cases, link: row => row.at(-1) || null, failed: row => row[status] === "failed" };
  const table = medsegTable(document.getElementById("cases"), about);
  if (regions.rows.length) medsegTable(document.getElementById("regions"), { title: "Regions", ...regions, link: row => row.at(-1) || null });
  for (const button of document.querySelectorAll("button[data-filter]")) {
    button.hidden = false;
    button.addEventListener("click", () => { table.filter(button.dataset.filter); table.box.focus(); });
  }
};
