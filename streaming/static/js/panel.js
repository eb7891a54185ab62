// The side panel: open or closed, and the section that a button of the bar asks for.

import { $, lessMotion } from "./dom.js";

export class Panel {
  constructor() {
    $("#panel").addEventListener("click", () => this.toggle());
    for (const button of document.querySelectorAll("[data-open]")) button.addEventListener("click", () => this.show(button.dataset.open));
    if (matchMedia("(max-width: 920px)").matches) for (const part of document.querySelectorAll(".side details")) part.open = false;
  }

  toggle(on = $("#work").classList.contains("closed")) {
    $("#work").classList.toggle("closed", !on);
    $("#panel").setAttribute("aria-expanded", on);
  }

  show(id) {
    const section = $(`#${id}`);
    this.toggle(true);
    section.open = true;
    section.scrollIntoView({ block: "nearest", behavior: lessMotion.matches ? "auto" : "smooth" });
    section.firstElementChild.focus({ preventScroll: true });
  }
}
