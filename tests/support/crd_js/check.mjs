// Manifests as a JSON array on stdin; out comes, in their order, what each one's definition finds wrong.
import { existsSync, readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const root = new URL(".", import.meta.url).pathname;
const packages = ["gateway-api", "envoy-gateway", "cert-manager", "prometheus-operator"];

// The validators are compiled, and none of them refuses a field that it does not know. So they get to see a manifest
// through a proxy that notes what they look at: a field that is never looked at is not in the definition.
function watched(value, path, seen) {
  if (typeof value !== "object" || value === null) return value;
  return new Proxy(value, {
    get(target, name) {
      if (typeof name === "symbol" || !Object.hasOwn(target, name) || name === "length") return target[name];
      seen.add(`${path}/${name}`);
      return watched(target[name], `${path}/${name}`, seen);
    },
    ownKeys(target) {
      for (const name of Object.keys(target)) seen.add(`${path}/${name}`);
      return Reflect.ownKeys(target);
    },
  });
}

const open = {
  // Any JSON at all, which no definition describes.
  EnvoyPatchPolicy: /^\/spec\/jsonPatches\/\d+\/operation\/value\//,
  // Envoy Gateway 1.8 has it, the newest package (2.0.0) does not yet.
  BackendTrafficPolicy: /^\/spec\/timeout\/http\/streamIdleTimeout$/,
};

function* unseen(value, path, seen) {
  for (const [name, child] of Object.entries(value)) {
    const here = `${path}/${name}`;
    if (!seen.has(here)) yield here;
    else if (typeof child === "object" && child !== null) yield* unseen(child, here, seen);
  }
}

async function validatorOf({ apiVersion, kind }) {
  for (const name of packages) {
    const model = `${root}/node_modules/@kubernetes-models/${name}/${apiVersion}/${kind}.js`;
    if (!existsSync(model)) continue;
    const [, schema] = readFileSync(model, "utf8").match(/from"(\.\.\/\.\.\/_schemas\/[^"]+)"/);
    return (await import(new URL(schema, pathToFileURL(model)))).validate;
  }
}

const found = [];
for (const manifest of JSON.parse(readFileSync(0, "utf8"))) {
  const validate = await validatorOf(manifest);
  if (!validate) {
    found.push([`no definition of ${manifest.apiVersion} ${manifest.kind}`]);
    continue;
  }
  const seen = new Set();
  const words = validate(watched(manifest, "", seen))
    ? []
    : validate.errors.map((error) => `${error.instancePath}: ${error.keyword} ${JSON.stringify(error.params)}`);
  const unknown = [...unseen(manifest, "", seen)].filter((path) => !open[manifest.kind]?.test(path));
  found.push([...words, ...unknown.map((path) => `${path}: not in the definition`)]);
}
process.stdout.write(JSON.stringify(found));
