// The page of a case: a viewer for its picture, and its regions in a table that moves it.
"use strict";
const medsegCase = async about => {
  const view = document.getElementById("view"), home = document.getElementById("regions");
  const told = medsegMake("p", { class: "aside", role: "status" });
  medsegNeighbours(about.key);
  document.body.append(told);
  let choose = () => {};
  const rows = medsegRegions(home, about, (number, slice) => choose(number, slice));
  if (!about.picture) {
    view.append(medsegMake("p", { class: "card note" }, `No picture: ${about.reason}.`));
    return;
  }
  const stage = medsegMake("div", { class: "stage", tabindex: "0", role: "application", "aria-label": `Picture of ${about.name} with its mask` });
  const viewer = await (about.picture.kind === "volume" ? medsegVolume : medsegRadiograph)(stage, about);
  let chosen = -1;
  choose = (number, slice = false) => {
    if (!about.regions.length) return;
    chosen = (number + about.regions.length) % about.regions.length;
    const region = about.regions[chosen];
    rows.forEach((row, n) => row.setAttribute("aria-current", n === chosen));
    rows[chosen].scrollIntoView({ block: "nearest" });
    const [first, last] = region.lines[0] ?? [];
    if (slice && first) viewer.jump(first.map((n, axis) => (n + last[axis]) / 2));
    else if (region.centre) viewer.jump(region.centre);
    told.textContent = `Region ${chosen + 1} of ${about.regions.length}: ${region.cells.join(", ")}`;
  };
  const slider = medsegMake("input", { type: "range", min: 0, max: 1, step: 0.05, value: 0.4, oninput: () => viewer.setOpacity(+slider.value) });
  const lines = medsegMake("button", { type: "button", "aria-pressed": "true", onclick: () => {
    const on = lines.getAttribute("aria-pressed") !== "true";
    lines.setAttribute("aria-pressed", on);
    viewer.setLines(on);
  } }, "RECIST lines");
  const opacity = change => {
    slider.value = change === null ? (+slider.value ? 0 : 0.4) : +slider.value + change;
    viewer.setOpacity(+slider.value);
  };
  const keys = {
    n: () => choose(chosen + 1), p: () => choose(chosen < 0 ? -1 : chosen - 1), d: () => choose(Math.max(chosen, 0), true),
    "[": () => opacity(-0.1), "]": () => opacity(0.1), m: () => opacity(null), l: () => lines.click(), ...viewer.keys,
  };
  stage.addEventListener("keydown", event => {
    if (event.ctrlKey || event.metaKey || event.altKey || !(event.key in keys)) return;
    event.preventDefault();
    event.stopPropagation();
    keys[event.key]();
  }, true);
  const legend = about.labels.map(label => {
    const swatch = medsegMake("i", { class: "swatch" });
    swatch.style.background = label.colour;
    return medsegMake("span", {}, swatch, label.name);
  });
  const bar = medsegMake("div", { class: "bar" }, medsegMake("label", {}, "Mask ", slider), lines, ...viewer.controls);
  view.append(stage, bar, medsegMake("div", { class: "legend" }, ...legend), ...medsegNotes(about, viewer.help));
  viewer.setOpacity(+slider.value);
  await viewer.start();
  window.medsegViewer = { viewer, choose, regions: about.regions, picture: about.picture };
  stage.dataset.ready = "yes";
};

const medsegValue = (channel, value) => `${+value.toPrecision(4)} ${channel.unit}`.trimEnd();

// Two sliders in the 255 steps that a page keeps: the values that are shown black and white, the one always below the other.
const medsegWindow = (channel, changed) => {
  let now = channel;
  const [black, white] = ["Black", "White"].map(name => {
    const slider = medsegMake("input", { type: "range", min: 0, max: 255, step: 1, "aria-label": name, oninput: () => moved(name) });
    const said = medsegMake("span", { class: "value small", "aria-hidden": "true" });
    return { slider, said, label: medsegMake("label", {}, `${name} `, slider, " ", said) };
  });
  const value = ({ slider }) => now.low + +slider.value * (now.high - now.low) / 255;
  const say = () => [black, white].forEach(end => {
    end.said.textContent = medsegValue(now, value(end));
    end.slider.setAttribute("aria-valuetext", end.said.textContent);
  });
  const moved = name => {
    const dark = black.slider, bright = white.slider;
    if (name === "Black") {
      dark.value = Math.min(+dark.value, 254);
      bright.value = Math.max(+bright.value, +dark.value + 1);
    } else {
      bright.value = Math.max(+bright.value, 1);
      dark.value = Math.min(+dark.value, +bright.value - 1);
    }
    say();
    changed(value(black), value(white));
  };
  const show = next => {
    now = next;
    for (const [end, shown] of [[black, now.black], [white, now.white]]) end.slider.value = Math.round(255 * (shown - now.low) / (now.high - now.low));
    say();
  };
  show(channel);
  return { controls: [black.label, white.label], show };
};

const medsegNeighbours = key => {
  const pages = medsegData.pages ?? [], at = pages.indexOf(key), nav = document.getElementById("nav");
  for (const [text, rel, place] of [["Previous case", "prev", at - 1], ["Next case", "next", at + 1]])
    if (at >= 0 && pages[place]) nav.append(medsegMake("a", { href: `${pages[place]}.html`, rel }, text));
};

const medsegRegions = (home, about, choose) => {
  if (!about.regions.length) {
    home.append(medsegMake("p", {}, about.picture ? "No region was found, or none was measured." : "None."));
    return [];
  }
  const text = value => value === null ? "" : typeof value === "number" && !Number.isInteger(value) ? String(+value.toPrecision(4)) : String(value);
  const colours = Object.fromEntries(about.labels.map(label => [label.name, label.colour]));
  const heads = about.columns.map(column => medsegMake("th", { scope: "col", class: column.number ? "number" : "" }, column.title));
  const rows = about.regions.map((region, n) => {
    const row = medsegMake("tr", { "aria-current": "false", onclick: event => { if (event.target.tagName !== "BUTTON") choose(n); } });
    const swatch = medsegMake("i", { class: "swatch", "aria-hidden": "true" });
    swatch.style.background = colours[region.cells[0]] ?? "none";
    const button = (said, text, slice) => medsegMake("button", { type: "button", onclick: () => choose(n, slice), "aria-label": `Region ${n + 1}: ${said}` }, text);
    const buttons = region.centre ? [button("go to its centre", "centre", false)] : [];
    if (region.lines?.length) buttons.push(" ", button("go to its longest diameter", "longest", true));
    row.append(medsegMake("td", {}, swatch, ...buttons),
      ...region.cells.map((value, at) => medsegMake("td", { class: about.columns[at].number ? "number" : "" }, text(value))));
    return row;
  });
  home.append(medsegMake("div", { class: "grid", tabindex: "0", role: "region", "aria-label": "Regions" },
    medsegMake("table", {}, medsegMake("thead", {}, medsegMake("tr", {}, medsegMake("th", {}, medsegMake("span", { class: "aside" }, "Go to")), ...heads)),
      medsegMake("tbody", {}, ...rows))));
  return rows;
};

const medsegNotes = (about, help) => {
  const picture = about.picture, notes = [`Image: ${picture.native}.`];
  if (picture.shrunk) notes.push(`Shown smaller, as ${picture.shown}, so that the page stays small: each voxel is the mean of those it covers. Figures are those of the whole image.`);
  const ranges = picture.channels.map(channel => `${picture.channels.length > 1 ? `of ${channel.name} ` : ""}from ${medsegValue(channel, channel.low)} to ${medsegValue(channel, channel.high)}`);
  notes.push(`Grey values are told apart in 255 steps ${ranges.join(", ")}.`);
  if (picture.overlapping) notes.push("Labels overlap: the smaller is drawn on the larger.");
  if (picture.oblique) notes.push("The image lies oblique: planes are its own, called by the axis of the body nearest to them.");
  const said = medsegMake("p", { class: "small" }, "Keys on the picture: ");
  const all = [...help, ["n p", "next and previous region"], ["d", picture.kind === "volume" ? "slice of its longest diameter" : "to the middle of its longest diameter"], ["[ ]", "mask fainter, stronger"], ["m", "mask off, on"], ["l", "lines"]];
  all.forEach(([key, what], n) => said.append(n ? " · " : "", medsegMake("kbd", {}, key), ` ${what}`));
  return [medsegMake("p", { class: "small pale" }, notes.join(" ")), said];
};
