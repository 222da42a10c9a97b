// A table of any length: it holds all rows as data and draws those that are seen. Sorted by its heads, filtered by words
// and comparisons, moved in by keys.
"use strict";
const medsegTable = (home, { title, columns, rows, link, failed }) => {
  const HIGH = 30, SPARE = 12;
  const number = new Intl.NumberFormat("en", { maximumSignificantDigits: 4, useGrouping: false });
  const text = (value, column) => value === null || value === undefined ? "" :
    column.number && typeof value === "number" ? (Number.isInteger(value) ? String(value) : number.format(value)) : String(value);
  const known = rows.map(row => row.slice(0, columns.length).map(value => value ?? "").join("\u0001").toLowerCase());
  let shown = rows.map((_, n) => n), sorted = null, down = false, active = -1;
  const box = medsegMake("input", { type: "search", placeholder: "words, or: status=failed, volume>5", oninput: () => filter() });
  const count = medsegMake("span", { class: "pale", role: "status" }), told = medsegMake("span", { class: "aside", role: "status" });
  const body = medsegMake("tbody");
  const heads = columns.map((column, n) => medsegMake("th", { scope: "col", class: column.number ? "number" : "" },
    medsegMake("button", { type: "button", onclick: () => sort(n) }, column.title)));
  const grid = medsegMake("div", { class: "grid", tabindex: "0", role: "region", "aria-label": `${title}: arrow keys move, Enter opens` },
    medsegMake("table", { "aria-rowcount": rows.length + 1 }, medsegMake("thead", {}, medsegMake("tr", {}, ...heads)), body));
  home.append(medsegMake("div", { class: "bar" }, medsegMake("label", {}, `Filter ${title.toLowerCase()} `, box), count, told), grid);

  const drawn = (n, place) => {
    const row = medsegMake("tr", { "aria-rowindex": place + 2, class: place === active ? "active" : failed?.(rows[n]) ? "failed" : "" });
    const target = link?.(rows[n]);
    columns.forEach((column, at) => {
      const said = text(rows[n][at], column);
      const cell = medsegMake("td", { class: column.number ? "number" : "", title: said.length > 30 ? said : null });
      cell.append(at === 0 && target ? medsegMake("a", { href: target, tabindex: "-1" }, said) : said);
      row.append(cell);
    });
    row.addEventListener("click", () => { active = place; draw(); });
    return row;
  };
  const space = high => medsegMake("tr", { class: "space", "aria-hidden": "true" }, medsegMake("td", { colspan: columns.length, style: `height:${high}px` }));
  let asked = false;
  const later = () => { if (!asked) { asked = true; requestAnimationFrame(() => { asked = false; draw(); }); } };
  const draw = () => {
    const first = Math.max(0, Math.floor(grid.scrollTop / HIGH) - SPARE);
    const last = Math.min(shown.length, Math.ceil((grid.scrollTop + (grid.clientHeight || 600)) / HIGH) + SPARE);
    const lines = [];
    if (first > 0) lines.push(space(first * HIGH));
    for (let place = first; place < last; place++) lines.push(drawn(shown[place], place));
    if (last < shown.length) lines.push(space((shown.length - last) * HIGH));
    body.replaceChildren(...lines);
    count.textContent = shown.length === rows.length ? `${rows.length} rows` : `${shown.length} of ${rows.length} rows`;
  };
  const order = () => {
    if (sorted === null) { shown.sort((a, b) => a - b); return; }
    const value = n => rows[n][sorted] ?? null, words = new Intl.Collator("en", { numeric: true });
    shown.sort((a, b) => {
      const one = value(a), other = value(b);
      if (one === null || other === null) return (one === null) - (other === null) || a - b;  // nothing stays last
      const way = columns[sorted].number ? one - other : words.compare(one, other);
      return (down ? -way : way) || a - b;
    });
  };
  const sort = n => {
    down = sorted === n ? !down : columns[n].number;
    sorted = n;
    heads.forEach((head, at) => at === n ? head.setAttribute("aria-sort", down ? "descending" : "ascending") : head.removeAttribute("aria-sort"));
    order(); active = -1; grid.scrollTop = 0; draw();
  };
  const test = word => {
    const parts = /^([^<>=]+)(<=|>=|=|<|>)(.+)$/.exec(word);
    const at = parts ? columns.findIndex(column => column.title.toLowerCase().replaceAll(" ", "").startsWith(parts[1])) : -1;
    if (at < 0) return n => known[n].includes(word);
    const [, , sign, wanted] = parts, limit = Number(wanted);
    if (sign === "=" && (!columns[at].number || Number.isNaN(limit))) return n => String(rows[n][at] ?? "").toLowerCase().includes(wanted);
    const compare = { "<": (a, b) => a < b, ">": (a, b) => a > b, "<=": (a, b) => a <= b, ">=": (a, b) => a >= b, "=": (a, b) => a === b }[sign];
    return n => typeof rows[n][at] === "number" && compare(rows[n][at], limit);
  };
  const filter = () => {
    const tests = box.value.toLowerCase().split(/\s+/).filter(Boolean).map(test);
    shown = rows.map((_, n) => n).filter(n => tests.every(one => one(n)));
    order(); active = -1; grid.scrollTop = 0; draw();
  };
  grid.addEventListener("scroll", later, { passive: true });
  grid.addEventListener("keydown", event => {
    if (event.target !== grid || !shown.length) return;
    const page = Math.max(1, Math.floor(grid.clientHeight / HIGH) - 2);
    const moves = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity };
    if (event.key in moves) {
      event.preventDefault();
      active = Math.max(0, Math.min(shown.length - 1, active + moves[event.key]));
      const top = active * HIGH, seen = grid.clientHeight - 2 * HIGH;
      if (top < grid.scrollTop) grid.scrollTop = top;
      else if (top > grid.scrollTop + seen) grid.scrollTop = top - seen;
      draw();
      told.textContent = `Row ${active + 1} of ${shown.length}: ${columns.map((column, n) => text(rows[shown[active]][n], column)).filter(Boolean).slice(0, 6).join(", ")}`;
    } else if (event.key === "Enter" && active >= 0) {
      const target = link?.(rows[shown[active]]);
      if (target) location.href = target;
    }
  });
  addEventListener("resize", later);
  draw();
  return { filter: words => { box.value = words; filter(); }, box };
};
