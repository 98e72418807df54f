// Traversals around the sliders' latents, and the way between two images; before explorer.js, which
// says where the latents are when they have come to rest.
"use strict";

{
  const STEPS = 9, GAP = 2; // images of a strip, pixels between them
  const parts = Array.from({ length: STEPS }, (_, k) => k / (STEPS - 1));
  const starts = [...document.querySelectorAll("#explorer .starts button")];

  function strip(canvas, codes) {
    canvas.width = codes.length * (model.size + GAP) - GAP;
    canvas.height = model.size;
    const context = canvas.getContext("2d");
    codes.forEach((code, k) => context.putImageData(decoded(code), k * (model.size + GAP), 0));
  }

  // A row at a time, so that sliders answer in between; later latents end an earlier round.
  let round = 0;
  function traverse(latents) {
    const mine = ++round;
    const rows = [...document.querySelectorAll("#rows canvas")];
    function next() {
      const canvas = rows.shift();
      if (!canvas || mine !== round) return;
      const moved = +canvas.dataset.latent;
      strip(canvas, parts.map((part) => {
        const value = model.reach * (2 * part - 1);
        return latents.map((z, j) => (j === moved ? value : z));
      }));
      setTimeout(next);
    }
    next();
  }

  const ends = [0, Math.min(1, starts.length - 1)]; // of the way between two images
  function between() {
    const [a, b] = ends.map((i) => model.starts[i]);
    strip(find("between"), parts.map((part) => a.map((z, j) => (1 - part) * z + part * b[j])));
    ["first", "last"].forEach((id, k) => {
      find(id).src = starts[ends[k]].firstElementChild.src;
    });
  }

  // The images of the explorer once more, one choice for each end.
  function choices(group, k) {
    const buttons = starts.map((button) => group.appendChild(button.cloneNode(true)));
    const press = (chosen) => {
      ends[k] = chosen;
      buttons.forEach((button, i) => button.setAttribute("aria-pressed", i === chosen));
    };
    buttons.forEach((button, i) => {
      button.title = `${group.id} this image`;
      button.addEventListener("click", () => {
        press(i);
        between();
      });
    });
    press(ends[k]);
  }

  if (find("between")) {
    choices(find("from"), 0);
    choices(find("to"), 1);
  }
  document.addEventListener("latents", (event) => {
    traverse(event.detail);
    if (find("between")) setTimeout(between); // at the start, and as the category may be another
  });
}
