// Single keys. They can be switched off, and leave fields, modifiers, repeats and compositions alone.

import { $, el } from "./dom.js";

const KEYS = [
  ["Space", "play, pause"], ["1–6", "solo a target"], ["⇧ 1–6", "mute a target"], ["R", "solo the residual"],
  ["A", "hold: hear the input"], ["/", "go to the prompt"], ["P", "side panel"], ["Esc", "leave the prompt"],
];
const FIELDS = "input:not([type=radio]):not([type=checkbox]), select, textarea";

export function listenToKeys(studio, panel) {
  $("#keys").append(...KEYS.flatMap(([key, does]) => [el("dt", {}, el("kbd", {}, key)), el("dd", {}, does)]));
  const actions = {
    r: () => studio.strips.solo("residual"), a: () => studio.hold(true), p: () => panel.toggle(), "/": () => $("#prompt").focus(),
    " ": () => $("#play").click(),
  };
  addEventListener("keydown", event => {
    if (!$("#keys-on").checked || event.ctrlKey || event.metaKey || event.altKey || event.repeat || event.isComposing) return;
    if (event.target.closest?.(FIELDS)) return;
    // Space presses the button or opens the section that has the focus.
    if (event.key === " " && event.target.closest?.("button, summary, input, a")) return;
    const digit = /^Digit([1-6])$/.exec(event.code), target = digit && studio.strips.targets[digit[1] - 1];
    const action = target ? () => event.shiftKey ? studio.strips.mute(target.id) : studio.strips.solo(target.id) : !digit && actions[event.key.toLowerCase()];
    if (!action) return;
    event.preventDefault();
    action();
  });
  addEventListener("keyup", event => { if (event.key.toLowerCase() === "a") studio.hold(false); });
}
