// Chunks of data: base64 of gzip of a JSON list, unpacked when first asked for.
const PER_CHUNK = Number(document.querySelector("main").dataset.perChunk);
const unpacked = new Map();

function chunk(name) {
  if (!unpacked.has(name)) {
    const bytes = Uint8Array.from(atob(document.getElementById(name).textContent), (character) => character.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    unpacked.set(name, new Response(stream).json());
  }
  return unpacked.get(name);
}

async function story(number) {
  return (await chunk(`stories-${Math.floor(number / PER_CHUNK)}`))[number % PER_CHUNK];
}

async function turn(number) {
  return (await chunk(`turns-${Math.floor(number / PER_CHUNK)}`))[number % PER_CHUNK];
}
