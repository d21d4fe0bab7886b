"use strict";
// Lights up what belongs together: a summary sentence and what it cites; a sentence and its
// translation. Without this script the links and :target do the same, one place at a time.
(() => {
  document.documentElement.classList.add("scripted");
  const keysOf = (element) => element.dataset.sentences.split(" ").filter(Boolean);
  const bySentence = new Map();
  for (const element of document.querySelectorAll(".segment, .sentence")) {
    for (const key of keysOf(element)) {
      if (!bySentence.has(key)) bySentence.set(key, []);
      bySentence.get(key).push(element);
    }
  }
  const together = (origin) => {
    const elements = new Set();
    if (origin) elements.add(origin);
    for (const key of origin ? keysOf(origin) : []) {
      for (const element of bySentence.get(key) ?? []) elements.add(element);
    }
    return [...elements];
  };

  // `lit` is what a summary sentence cites, or what was clicked: it stays until something else is
  // lit. `pointed` is the pair under the pointer, and lasts as long as the pointer is there.
  const shown = { lit: [], pointed: [] };
  const mark = (name, origin) => {
    for (const element of shown[name]) element.classList.remove(name);
    shown[name] = together(origin);
    for (const element of shown[name]) element.classList.add(name);
  };
  let pinned = null;
  const pin = (element) => {
    pinned = element;
    mark("lit", pinned);
  };

  // The summary stays in view only where there's room; elsewhere pointing mustn't move the page.
  const roomy = matchMedia("(min-width: 60rem) and (min-height: 40rem)");
  const still = matchMedia("(prefers-reduced-motion: reduce)");
  const show = (claim) => {
    pin(claim);
    const first = shown.lit.find((element) => element.classList.contains("segment"));
    if (!first || !roomy.matches) return;
    const box = first.getBoundingClientRect();
    const top = claim.closest(".summary").getBoundingClientRect().bottom;
    if (box.top >= top && box.bottom <= innerHeight) return;
    first.scrollIntoView({ block: "center", behavior: still.matches ? "auto" : "smooth" });
  };

  const pairOf = (event) => event.target.closest?.("[data-sentences]") ?? null;
  let timer = 0;
  let place = "";
  const leave = () => {
    clearTimeout(timer);
    mark("lit", pinned);
    mark("pointed", null);
  };
  document.addEventListener("pointerover", (event) => {
    // When the page scrolls under a resting pointer, nobody is pointing at anything new.
    const here = `${event.screenX} ${event.screenY}`;
    if (here === place) return;
    leave();
    const pair = pairOf(event);
    if (!pair) return;
    if (!pair.matches(".claim")) {
      mark("pointed", pair);
      return;
    }
    mark("lit", pair);
    // A pointer on its way elsewhere shouldn't scroll the page.
    if (event.pointerType === "mouse") timer = setTimeout(show, 250, pair);
  });
  document.addEventListener("pointermove", (event) => {
    place = `${event.screenX} ${event.screenY}`;
  });
  document.documentElement.addEventListener("pointerleave", leave);
  document.addEventListener("focusin", (event) => {
    const pair = pairOf(event);
    if (!pair) return;
    if (pair.matches(".claim") && event.target.matches(":focus-visible")) show(pair);
    else pin(pair);
  });
  document.addEventListener("click", (event) => {
    clearTimeout(timer);
    pin(pairOf(event));
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") pin(null);
  });
  const follow = () => {
    const target = location.hash && document.getElementById(location.hash.slice(1));
    if (target && target.matches("[data-sentences]") && !shown.lit.includes(target)) pin(target);
  };
  addEventListener("hashchange", follow);
  addEventListener("beforeprint", () => {
    for (const details of document.querySelectorAll("details")) details.open = true;
  });
  follow();
})();
