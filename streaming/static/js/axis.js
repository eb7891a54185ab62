// The time axis under the lanes, and one crosshair through all of them.

import { $, el } from "./dom.js";
import { HIGHEST_HZ, LOWEST_HZ, SPAN_S } from "./scale.js";

export function showAxis() {
  for (let s = 0; s <= SPAN_S; s += 2) $("ol", $("#axis")).append(el("li", { css: { left: `${s / SPAN_S * 100}%` } }, s === SPAN_S ? "now" : `−${SPAN_S - s} s`));
  $("#lanes").addEventListener("pointermove", ({ target, clientX, clientY }) => {
    const view = target.closest(".view"), cross = $("#cross"), read = $("#read");
    cross.classList.toggle("on", !!view);
    if (!view) { read.textContent = `${SPAN_S} s`; return; }
    const box = view.getBoundingClientRect(), strip = view.parentElement.classList.contains("target") ? 12 : 0;
    const ago = (1 - (clientX - box.left) / box.width) * SPAN_S;
    const hz = LOWEST_HZ * (HIGHEST_HZ / LOWEST_HZ) ** Math.min(1, Math.max(0, 1 - (clientY - box.top) / (box.height - strip)));
    cross.style.transform = `translateX(${clientX - $("#lanes").getBoundingClientRect().left}px)`;
    read.textContent = `−${ago.toFixed(2)} s, ${hz < 1000 ? `${hz.toFixed(0)} Hz` : `${(hz / 1000).toFixed(1)} kHz`}`;
  });
}
