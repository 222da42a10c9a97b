// A radiograph as stored, its mask over it: zoomed by wheel and keys, moved by dragging.
"use strict";
const medsegRadiograph = async (stage, about) => {
  const picture = about.picture, [wide, high] = picture.shape, tall = high * picture.aspect;
  const image = medsegMake("img", { alt: `${about.name}: the radiograph`, src: `${about.key}.image.png`, draggable: "false" });
  const mask = medsegMake("img", { alt: `Mask of ${about.labels.map(label => label.name).join(", ")}, ${about.regions.length} regions`, class: "mask", src: `${about.key}.mask.png`, draggable: "false" });
  const lines = medsegSvg("svg", { viewBox: `0 0 ${wide} ${tall}`, "aria-hidden": "true", preserveAspectRatio: "none" });
  const mark = medsegSvg("circle", { r: 0, fill: "none", stroke: "#fff", "stroke-width": 1.5, "vector-effect": "non-scaling-stroke", "stroke-dasharray": "4 3" });
  const at = ([x, y]) => [x + 0.5, (y + 0.5) * picture.aspect];  // of a pixel's centre on the sheet
  for (const region of about.regions) region.lines.forEach(([from, to], n) => {
    const [[x1, y1], [x2, y2]] = [at(from), at(to)];
    lines.append(medsegSvg("line", { x1, y1, x2, y2, class: n ? "across" : "longest" }));
  });
  lines.append(mark);
  const sheet = medsegMake("div", { class: "sheet" }, image, mask, lines);
  const funcs = ["R", "G", "B"].map(one => medsegSvg(`feFunc${one}`, { type: "linear" }));
  const transfer = medsegSvg("feComponentTransfer"), filter = medsegSvg("filter", { id: "window", "color-interpolation-filters": "sRGB" });
  const filters = medsegSvg("svg", { class: "window", "aria-hidden": "true" });
  transfer.append(...funcs);
  filter.append(transfer);
  filters.append(filter);
  stage.append(sheet, filters);
  let scale = 1, left = 0, top = 0;
  // The sheet has the size that is seen, so that lines keep their width and pixels are drawn anew at each scale.
  const place = () => Object.assign(sheet.style, { left: `${left}px`, top: `${top}px`, width: `${wide * scale}px`, height: `${tall * scale}px` });
  const fit = () => {
    scale = Math.min(stage.clientWidth / wide, stage.clientHeight / tall);
    [left, top] = [(stage.clientWidth - wide * scale) / 2, (stage.clientHeight - tall * scale) / 2];
    place();
  };
  const zoom = (factor, x = stage.clientWidth / 2, y = stage.clientHeight / 2) => {
    const next = Math.max(0.02, Math.min(40, scale * factor));
    [left, top] = [x - (x - left) * next / scale, y - (y - top) * next / scale];
    scale = next;
    place();
  };
  const move = (x, y) => { left += x; top += y; place(); };
  stage.addEventListener("wheel", event => {
    event.preventDefault();
    const box = stage.getBoundingClientRect();
    zoom(Math.exp(-event.deltaY / 400), event.clientX - box.left, event.clientY - box.top);
  }, { passive: false });
  stage.addEventListener("pointerdown", event => { stage.setPointerCapture(event.pointerId); stage.focus(); });
  stage.addEventListener("pointermove", event => { if (event.buttons) move(event.movementX, event.movementY); });
  const button = (text, work) => medsegMake("button", { type: "button", onclick: work }, text);
  const jump = index => {
    const [x, y] = at(index), near = Math.min(stage.clientWidth, stage.clientHeight) / Math.min(wide, tall);
    scale = Math.max(scale, 2 * near);
    [left, top] = [stage.clientWidth / 2 - x * scale, stage.clientHeight / 2 - y * scale];
    mark.setAttribute("cx", x);
    mark.setAttribute("cy", y);
    mark.setAttribute("r", Math.min(wide, tall) / 60);
    place();
  };
  const channel = picture.channels[0], share = value => (value - channel.low) / (channel.high - channel.low);
  const range = medsegWindow(channel, (black, white) => {
    const slope = 1 / (share(white) - share(black));
    for (const one of funcs) {
      one.setAttribute("slope", slope);
      one.setAttribute("intercept", -share(black) * slope);
    }
    image.style.filter = "url(#window)";
  });
  return {
    jump,
    setOpacity: value => { mask.style.opacity = value; },
    setLines: on => lines.querySelectorAll("line").forEach(line => { line.style.display = on ? "" : "none"; }),
    controls: [button("Zoom in", () => zoom(1.3)), button("Zoom out", () => zoom(1 / 1.3)), button("Whole image", fit), ...range.controls],
    keys: {
      "+": () => zoom(1.2), "=": () => zoom(1.2), "-": () => zoom(1 / 1.2), "0": fit,
      ArrowLeft: () => move(40, 0), ArrowRight: () => move(-40, 0), ArrowUp: () => move(0, 40), ArrowDown: () => move(0, -40),
    },
    help: [["+ -", "zoom (or the wheel)"], ["← → ↑ ↓", "move (or drag)"], ["0", "whole image"]],
    start: async () => { await Promise.all([image.decode(), mask.decode()]); fit(); },
    middle: () => [((stage.clientWidth / 2 - left) / scale) - 0.5, (stage.clientHeight / 2 - top) / scale / picture.aspect - 0.5],
  };
};
