// Sliders, buttons and the address set the latents, latents the picture; after forward.js.
"use strict";

{
  const find = (id) => document.getElementById(id);
  const model = JSON.parse(find("model").textContent);
  const bytes = Uint8Array.from(atob(find("weights").textContent), (c) => c.charCodeAt(0));
  const layers = withWeights(model.plan, fromHalf(bytes));
  const sliders = [...document.querySelectorAll("#explorer input[type=range]")];
  const starts = [...document.querySelectorAll("#explorer .starts button")];
  const category = find("category"); // of InfoGAN alone
  const context = find("picture").getContext("2d");
  const pixels = context.createImageData(model.size, model.size);
  // Beside the sliders, which round to their steps: the latents of an image are kept as they are.
  let latents = new Array(sliders.length).fill(0);

  function draw() {
    const chosen = (i) => (i === category.selectedIndex ? 1 : 0);
    const oneHot = category ? [...category.options].map((_, i) => chosen(i)) : [];
    const image = forward(layers, [...latents, ...oneHot]);
    const channels = image.length / model.size ** 2;
    for (let i = 0; i < model.size ** 2; i++) {
      for (let c = 0; c < 3; c++) {
        pixels.data[4 * i + c] = Math.round(255 * image[channels * i + (channels > 1 ? c : 0)]);
      }
      pixels.data[4 * i + 3] = 255;
    }
    context.putImageData(pixels, 0, 0);
  }

  // However many events a drag makes, one picture a frame.
  let waiting = false;
  function drawSoon() {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      draw();
    });
  }

  // The address follows when the hand rests: browsers count how often it changes.
  let timer = 0;
  function linkSoon() {
    if (location.protocol === "about:") return; // within a notebook: no address of its own
    clearTimeout(timer);
    timer = setTimeout(() => {
      history.replaceState(null, "", "#z=" + latents.map((z) => +z.toFixed(3)).join(","));
    }, 400);
  }

  function show(start = null) {
    for (const slider of sliders) {
      const z = latents[slider.dataset.latent];
      slider.value = z;
      slider.nextElementSibling.value = z.toFixed(2).replace("-", "\u2212");
    }
    starts.forEach((button, i) => button.setAttribute("aria-pressed", i === start));
    drawSoon();
  }

  function set(values, start = null) {
    latents = [...values];
    show(start);
    linkSoon();
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
      linkSoon();
    });
  }
  starts.forEach((button, i) => button.addEventListener("click", () => set(model.starts[i], i)));
  find("zero").addEventListener("click", () => set(latents.map(() => 0)));
  find("draw").addEventListener("click", () => set(latents.map(prior)));
  if (category) category.addEventListener("change", drawSoon);
  addEventListener("hashchange", () => {
    latents = linked() ?? latents;
    show();
  });

  const link = linked();
  latents = link ?? [...model.starts[0]];
  show(link ? null : 0);
}
