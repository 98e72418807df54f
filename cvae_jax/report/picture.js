// The run's decoder, from latents to pixels; after forward.js.
"use strict";

const find = (id) => document.getElementById(id);
const model = JSON.parse(find("model").textContent);
const layers = withWeights(
  model.plan,
  fromHalf(Uint8Array.from(atob(find("weights").textContent), (c) => c.charCodeAt(0))),
);

// The image of latents, with InfoGAN's category as it is chosen, as ImageData.
function decoded(latents) {
  const category = find("category"); // of InfoGAN alone
  const chosen = (i) => (i === category.selectedIndex ? 1 : 0);
  const oneHot = category ? [...category.options].map((_, i) => chosen(i)) : [];
  const image = forward(layers, [...latents, ...oneHot]);
  const channels = image.length / model.size ** 2;
  const pixels = new ImageData(model.size, model.size);
  for (let i = 0; i < model.size ** 2; i++) {
    for (let c = 0; c < 3; c++) {
      pixels.data[4 * i + c] = Math.round(255 * image[channels * i + (channels > 1 ? c : 0)]);
    }
    pixels.data[4 * i + 3] = 255;
  }
  return pixels;
}
