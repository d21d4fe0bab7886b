"use strict";
// Lights up what belongs together: a summary sentence, what it cites, and its translation.
// Without this script the links and :target do the same, one place at a time.
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
  let lit = [];
  let pinned = null;
  let timer = 0;
  const light = (origin) => {
    for (const element of lit) element.classList.remove("lit");
    lit = [];
    if (!origin) return;
    const together = new Set([origin]);
    for (const key of keysOf(origin)) {
      for (const element of bySentence.get(key) ?? []) together.add(element);
    }
    lit = [...together];
    for (const element of lit) element.classList.add("lit");
  };
  // The summary stays in view only where there's room; elsewhere pointing mustn't move the page.
  const roomy = matchMedia("(min-width: 60rem) and (min-height: 40rem)");
  const still = matchMedia("(prefers-reduced-motion: reduce)");
  const show = (claim) => {
    const first = lit.find((element) => element.classList.contains("segment"));
    if (!first) return;
    const box = first.getBoundingClientRect();
    const top = claim.closest(".summary").getBoundingClientRect().bottom;
    if (box.top >= top && box.bottom <= innerHeight) return;
    first.scrollIntoView({ block: "center", behavior: still.matches ? "auto" : "smooth" });
  };
  const pin = (element) => {
    pinned = element;
    light(pinned);
  };
  const pairOf = (event) => event.target.closest?.("[data-sentences]");
  document.addEventListener("pointerover", (event) => {
    const pair = pairOf(event);
    clearTimeout(timer);
    light(pair ?? pinned);
    // A pointer on its way elsewhere shouldn't scroll the page.
    if (pair?.matches(".claim") && roomy.matches && event.pointerType === "mouse") {
      timer = setTimeout(show, 250, pair);
    }
  });
  document.documentElement.addEventListener("pointerleave", () => {
    clearTimeout(timer);
    light(pinned);
  });
  document.addEventListener("focusin", (event) => {
    const pair = pairOf(event);
    if (!pair) return;
    pin(pair);
    if (pair.matches(".claim") && roomy.matches && event.target.matches(":focus-visible")) {
      show(pair);
    }
  });
  document.addEventListener("click", (event) => pin(pairOf(event) ?? null));
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") pin(null);
  });
  const follow = () => {
    const target = location.hash && document.getElementById(location.hash.slice(1));
    if (target && target.matches("[data-sentences]") && !lit.includes(target)) pin(target);
  };
  addEventListener("hashchange", follow);
  addEventListener("beforeprint", () => {
    for (const details of document.querySelectorAll("details")) details.open = true;
  });
  follow();
})();
