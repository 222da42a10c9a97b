// A volume in three planes and in 3D, drawn by NiiVue; the RECIST lines over it are ours.
"use strict";
const MEDSEG_AXES = [2, 1, 0];  // the axis that lies across NiiVue's axial, coronal and sagittal plane

const medsegVolume = async (stage, about) => {
  const picture = about.picture, shape = picture.shape;
  const canvas = medsegMake("canvas", { class: "slices", tabindex: "-1", role: "img", "aria-label": `${about.name}: axial, coronal and sagittal plane and 3D view, with the mask over the image` });
  const lines = medsegSvg("svg", { class: "lines", "aria-hidden": "true" });
  const wait = medsegMake("p", { class: "wait" }, "Loading …");
  stage.append(canvas, lines, wait);
  let nv = null, shown = true, opacity = 0.4;

  const options = {
    logLevel: "error", backColor: [0, 0, 0, 1], isRadiologicalConvention: true, sagittalNoseLeft: true, showAllOrientationMarkers: true,
    multiplanarShowRender: 0, multiplanarLayout: 0, multiplanarPadPixels: 8, crosshairColor: [0.4, 0.75, 1, 0.7], crosshairWidth: 0.4, crosshairWidthUnit: "percent",
    dragAndDropEnabled: false, isColorbar: false, fontMinPx: 15, loadingText: "", keyDebounceTime: 0, show3Dcrosshair: true,
    isNearestInterpolation: false, fontColor: [1, 0.92, 0.6, 1], clipPlaneHotKey: "", cycleClipPlaneHotKey: "", viewModeHotKey: "",
  };
  const start = async () => {
    try {
      await medsegLoad("../static/niivue.umd.js");
    } catch {
      wait.textContent = "Volumes are not drawn: NiiVue was not in the installation that made this report. `make vendor` fetches it; then make the report again.";
      return;
    }
    try {
      nv = new niivue.Niivue(options);
      await nv.attachToCanvas(canvas);
    } catch (error) {
      wait.textContent = `The picture needs WebGL 2, which this browser does not give (${error.message}).`;
      return;
    }
    const image = await volume("image0", `${about.key}.image0.js`), mask = await volume("mask", `${about.key}.mask.js`);
    const draw = nv.drawScene.bind(nv);
    nv.drawScene = () => {};  // each change draws at once, which is slow without a graphics card: draw when all is there
    setRange(image, 0);
    nv.addVolume(image);
    mask.setColormapLabel(colours());
    mask.opacity = opacity;
    nv.addVolume(mask);
    nv.drawScene = () => { sharpMask(); draw(); drawLines(); };
    setSolid(hardware());
    const largest = about.regions.find(region => region.centre);
    nv.opts.crosshairGap = 0.03 * Math.max(...picture.extent);
    jump(largest ? largest.centre : shape.map(n => (n - 1) / 2));
    wait.remove();
  };
  const sharpMask = () => {  // the image is smoothed between its voxels, a mask has none there
    nv.opts.isNearestInterpolation = true;
    nv.updateInterpolation(1);
    nv.opts.isNearestInterpolation = false;
  };
  const hardware = () => {
    const info = nv.gl.getExtension("WEBGL_debug_renderer_info");
    return !/swiftshader|llvmpipe|software/i.test(info ? nv.gl.getParameter(info.UNMASKED_RENDERER_WEBGL) : "");
  };
  const solid = medsegMake("button", { type: "button", "aria-pressed": "false", onclick: () => { setSolid(solid.getAttribute("aria-pressed") !== "true"); nv?.drawScene(); } }, "3D view");
  const setSolid = on => {
    solid.setAttribute("aria-pressed", on);
    if (nv) nv.opts.multiplanarShowRender = on ? 1 : 0;
  };
  const volume = async (name, source) => niivue.NVImage.loadFromBase64({ base64: await medsegTake(name, source), name: `${name}.nii.gz` });
  const colours = () => {
    const table = { R: [0], G: [0], B: [0], A: [0], I: [0], labels: [""] };
    about.labels.forEach(({ name, colour }, n) => {
      ["R", "G", "B"].forEach((key, at) => table[key].push(parseInt(colour.slice(1 + 2 * at, 3 + 2 * at), 16)));
      table.A.push(255); table.I.push(n + 1); table.labels.push(name);
    });
    return table;
  };
  const setRange = (image, n) => { [image.cal_min, image.cal_max] = [picture.channels[n].black, picture.channels[n].white]; };
  const channel = async n => {
    if (!nv?.volumes.length) return;
    const image = await volume(`image${n}`, `${about.key}.image${n}.js`);
    setRange(image, n);
    nv.removeVolumeByIndex(0);
    nv.addVolume(image);
    nv.setVolume(image, 0);
    nv.setOpacity(1, opacity);
    nv.updateGLVolume();
  };
  const position = () => [...nv.frac2vox(nv.scene.crosshairPos)];
  const jump = index => {
    nv.scene.crosshairPos = index.map((n, axis) => Math.max(0, Math.min(1, (n + 0.5) / shape[axis])));
    nv.createOnLocationChange();
    nv.drawScene();
  };
  const step = (axis, by) => { const at = position(); at[axis] += by; jump(at.map((n, i) => Math.max(0, Math.min(shape[i] - 1, n)))); };

  // Where a voxel lies on a plane of the picture, in pixels of the page: the inverse of NiiVue's own projection.
  const onTile = (tile, index, ratio) => {
    const mm = nv.frac2mm(index.map((n, axis) => (n + 0.5) / shape[axis]));
    const [x, y] = [[0, 1], [0, 2], [1, 2]][tile.axCorSag].map(axis => mm[axis]);
    let [left, top, wide, high] = tile.leftTopWidthHeight, across = (x - tile.leftTopMM[0]) / tile.fovMM[0];
    if (wide < 0) { left += wide; wide = -wide; across = 1 - across; }
    return [(left + across * wide) / ratio, (top + (1 - (y - tile.leftTopMM[1]) / tile.fovMM[1]) * high) / ratio];
  };
  const drawLines = () => {
    lines.replaceChildren();
    if (!shown || !nv.volumes.length || !canvas.clientWidth) return;
    const here = position(), ratio = canvas.width / canvas.clientWidth;
    for (const tile of nv.screenSlices) {
      const across = MEDSEG_AXES[tile.axCorSag];
      if (across === undefined) continue;
      for (const region of about.regions) region.lines.forEach((ends, n) => {
        if (ends.some(end => Math.abs(end[across] - here[across]) > 0.75)) return;
        const [[x1, y1], [x2, y2]] = ends.map(end => onTile(tile, end, ratio));
        lines.append(medsegSvg("line", { x1, y1, x2, y2, class: n ? "across" : "longest" }));
      });
    }
  };
  const range = medsegWindow(picture.channels[0], (black, white) => {
    if (!nv?.volumes.length) return;
    [nv.volumes[0].cal_min, nv.volumes[0].cal_max] = [black, white];
    nv.updateGLVolume();
  });
  const controls = [solid, ...range.controls];
  let switched = Promise.resolve();  // one after the other, however quickly they are chosen
  const choose = event => {
    const n = +event.target.value;
    range.show(picture.channels[n]);
    switched = switched.then(() => channel(n));
  };
  if (picture.channels.length > 1)
    controls.push(medsegMake("select", { "aria-label": "Channel", onchange: choose }, ...picture.channels.map((one, n) => medsegMake("option", { value: n }, one.name))));
  return {
    start, jump, position, controls,
    nv: () => nv,
    setOpacity: value => { opacity = value; if (nv?.volumes.length > 1) nv.setOpacity(1, value); },
    setLines: on => { shown = on; if (nv) drawLines(); },
    keys: {
      ArrowLeft: () => step(0, 1), ArrowRight: () => step(0, -1), ArrowUp: () => step(1, 1), ArrowDown: () => step(1, -1),
      PageUp: () => step(2, 1), PageDown: () => step(2, -1), 3: () => solid.click(),
    },
    help: [["wheel", "slices under the pointer"], ["← →", "to the patient's left and right, as seen"], ["↑ ↓", "to the front and back"], ["PageUp PageDown", "up and down"], ["3", "3D view"]],
  };
};
