// How data reach a page that was opened from disk: scripts beside it hand them over.
"use strict";
const medsegData = {};
const medsegPut = ({ name, data }) => { medsegData[name] = data; };
const medsegLoad = source => new Promise((done, failed) => {
  const tag = document.createElement("script");
  tag.src = source;
  tag.onload = () => { tag.remove(); done(); };
  tag.onerror = () => failed(new Error(`${source} cannot be read: copy the whole folder of the report.`));
  document.head.append(tag);
});
const medsegTake = async (name, source) => {
  if (!(name in medsegData)) await medsegLoad(source);
  const data = medsegData[name];
  delete medsegData[name];
  return data;
};
const medsegMake = (kind, attributes = {}, ...inside) => {
  const made = document.createElement(kind);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value !== false && value !== null) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...inside);
  return made;
};
const medsegSvg = (kind, attributes = {}) => {
  const made = document.createElementNS("http://www.w3.org/2000/svg", kind);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
};
const medsegPages = keys => medsegPut({ name: "pages", data: keys });
