// The sounds the running model knows, each with what it gained on recordings it had not learnt from; a click asks for one.

import { $, el } from "./dom.js";

export function showSounds(studio) {
  const fill = (list, entries) => $(list).replaceChildren(...entries.map(({ label, improvement }) => el("li", {},
    el("button", { type: "button", class: "sound", title: label, onclick: () => studio.ask(label) }, el("span", { class: "what" }, label), el("span", { class: "dim" }, improvement === null ? "–" : `${improvement < 0 ? "−" : "+"}${Math.abs(improvement).toFixed(1)}`)))));
  studio.on("vocabulary", () => {
    const { advertised, experimental } = studio.vocabulary;
    fill("#sounds", advertised);
    fill("#tried", experimental);
    $("#sounds-sum").textContent = `${advertised.length} known well`;
    $("#tried-sum").textContent = experimental.length;
    $("#d-tried").hidden = !experimental.length;
  });
}
