// Few words for making elements. Styles go through the object model: the page forbids itself style attributes.

export const $ = (selector, root = document) => root.querySelector(selector);

/** An element: attributes, `on…` listeners, `css` as an object of custom properties and styles, then its children. */
export function el(tag, given = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(given)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "css") for (const [key, style] of Object.entries(value)) node.style.setProperty(key, style);
    else if (value !== null && value !== false) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.filter(child => child !== null && child !== undefined));
  return node;
}

export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg"), use = document.createElementNS(svg.namespaceURI, "use");
  svg.setAttribute("aria-hidden", "true");
  use.setAttribute("href", `#i-${name}`);
  svg.append(use);
  return svg;
}

/** A segmented control of native radio buttons. */
export function segmented(root, name, items, picked, chosen) {
  for (const [value, label, picture] of items) {
    const input = el("input", { type: "radio", name, value, onchange: () => chosen(value) });
    input.checked = value === picked;
    root.append(el("label", {}, input, el("span", {}, picture ? icon(picture) : null, el("em", {}, label))));
  }
}

/** The page's only live region. Numbers and countdowns do not go there. */
export const say = text => { $("#say").textContent = text; };

export const decibels = value => `${value < 0 ? "−" : value > 0 ? "+" : ""}${Math.abs(value).toFixed(1)}`;

export const clock = seconds => {
  const tenths = Math.floor(seconds * 10);
  return `${String(Math.floor(tenths / 600)).padStart(2, "0")}:${String(Math.floor(tenths / 10) % 60).padStart(2, "0")}.${tenths % 10}`;
};

export const lessMotion = matchMedia("(prefers-reduced-motion: reduce)");
