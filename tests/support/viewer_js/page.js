// A page as anybody would make it with OpenSeadragon. Nothing here waits for a time: each promise ends with an event.

let viewer = null;

const image = () => viewer.world.getItemAt(0);

// Until all the tiles of what is looked at are there, and drawn.
const drawn = () =>
  new Promise((resolve) => {
    image().whenFullyLoaded(() => {
      viewer.addOnceHandler("update-viewport", () => resolve());
      viewer.forceRedraw();
    });
  });

// `url` as the list of renditions has it: of a .dzi or of an info.json.
window.show = (url) =>
  new Promise((resolve, reject) => {
    document.getElementById("viewer").hidden = false;
    viewer?.destroy();
    viewer = OpenSeadragon({
      id: "viewer",
      crossOriginPolicy: "Anonymous",
      showNavigationControl: false,
      showNavigator: true,
      navigatorAutoFade: false,
      animationTime: 0.4,
      // The machine may be busy; a tile that is late is no failure here.
      timeout: 120000,
    });
    viewer.addOnceHandler("open", () => {
      const { x, y } = image().getContentSize();
      drawn().then(() => resolve({ width: x, height: y, drawer: viewer.drawer.getType() }));
    });
    viewer.addOnceHandler("open-failed", ({ message }) => reject(new Error(message)));
    viewer.open(url);
  });

// One pixel of the picture for one of the screen. `x`, `y`: of the picture, where the viewer's left upper corner is to be.
window.zoom = ({ x, y }) =>
  new Promise((resolve) => {
    const { x: width, y: height } = viewer.viewport.getContainerSize();
    viewer.addOnceHandler("animation-finish", () => drawn().then(resolve));
    viewer.viewport.fitBounds(image().imageToViewportRectangle(x, y, width, height));
  });

// What is on the canvas now. Throws unless the tiles came with leave for this origin to read them.
window.shown = () => viewer.drawer.canvas.toDataURL("image/png");

// Pictures by their urls; the width that each turned out to have.
window.pictures = (urls) => {
  const place = document.getElementById("pages");
  place.hidden = false;
  place.replaceChildren(...urls.map(() => new Image()));
  const loaded = urls.map(async (url, number) => {
    const picture = place.children[number];
    picture.src = url;
    await picture.decode();
    return picture.naturalWidth;
  });
  return Promise.all(loaded);
};

// Calls one of these; `window.answer` is null until it is done.
window.begin = (call, argument) => {
  window.answer = null;
  window[call](argument).then(
    (found) => { window.answer = { found: found ?? null }; },
    (error) => { window.answer = { error: String(error) }; },
  );
};
