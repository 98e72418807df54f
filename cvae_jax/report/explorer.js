// Sliders, buttons and the address set the latents, latents the picture; after picture.js.
"use strict";

{
  const sliders = [...document.querySelectorAll("#explorer input[type=range]")];
  const starts = [...document.querySelectorAll("#explorer .starts button")];
  const category = find("category"); // of InfoGAN alone
  const context = find("picture").getContext("2d");
  const original = find("original");
  // Beside the sliders, which round to their steps: the latents of an image are kept as they are.
  let latents = new Array(sliders.length).fill(0);

  // However many events a drag makes, one picture a frame.
  let waiting = false;
  function drawSoon() {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      context.putImageData(decoded(latents), 0, 0);
    });
  }

  // Strips and address follow when the hand rests: browsers count how often an address changes.
  let timer = 0;
  function restSoon(link) {
    clearTimeout(timer);
    timer = setTimeout(() => {
      document.dispatchEvent(new CustomEvent("latents", { detail: [...latents] }));
      // within a notebook there is no address of its own
      if (!link || location.protocol === "about:") return;
      history.replaceState(null, "", "#z=" + latents.map((z) => +z.toFixed(3)).join(","));
    }, 400);
  }

  function show(start = null) {
    for (const slider of sliders) {
      const z = latents[slider.dataset.latent];
      slider.value = z;
      slider.style.setProperty("--at", (slider.value - slider.min) / (slider.max - slider.min));
      slider.nextElementSibling.value = z.toFixed(2).replace("-", "\u2212");
    }
    starts.forEach((button, i) => button.setAttribute("aria-pressed", i === start));
    drawSoon();
  }

  // Beside the picture: the image that the latents come from, also when a slider has moved since.
  function compare(start) {
    original.style.visibility = start === null ? "hidden" : "visible";
    if (start !== null) original.src = starts[start].firstElementChild.src;
  }

  function set(values, start = null) {
    latents = [...values];
    compare(start);
    show(start);
    restSoon(true);
  }

  // One draw of the prior of the run's method.
  function prior() {
    if (model.prior === "uniform") return 2 * Math.random() - 1;
    const radius = Math.sqrt(-2 * Math.log(1 - Math.random()));
    return radius * Math.cos(2 * Math.PI * Math.random());
  }

  // "#z=0.5,-1,..." of a link, a number for each latent; anything else is no link.
  function linked() {
    const match = /^#z=([-+.,\de]+)$/.exec(location.hash);
    const values = match ? match[1].split(",").map((text) => (text ? +text : NaN)) : [];
    return values.length === latents.length && values.every(Number.isFinite) ? values : null;
  }

  for (const slider of sliders) {
    slider.addEventListener("input", () => {
      latents[slider.dataset.latent] = +slider.value;
      show();
      restSoon(true);
    });
  }
  starts.forEach((button, i) => button.addEventListener("click", () => set(model.starts[i], i)));
  find("zero").addEventListener("click", () => set(latents.map(() => 0)));
  find("draw").addEventListener("click", () => set(latents.map(prior)));
  if (category) category.addEventListener("change", () => (drawSoon(), restSoon(true)));
  addEventListener("hashchange", () => {
    const link = linked();
    if (!link) return;
    latents = link;
    compare(null);
    show();
    restSoon(false);
  });

  const link = linked();
  latents = link ?? [...model.starts[0]];
  compare(link ? null : 0);
  show(link ? null : 0);
  restSoon(false);
}
