// Makes `dist/` from `web/`, and the API's types from its OpenAPI document. Knows no page.
//
//   node build.mjs            writes dist/
//   node build.mjs --check    fails where dist/ is not what web/ gives
//   node build.mjs --tests    makes the tests runnable, in node_modules/.tests/
import { build } from "esbuild";
import { mkdir, readFile, readdir, rm, writeFile } from "node:fs/promises";

const here = (path) => new URL(path, import.meta.url).pathname;

/** A schema without null. */
function present(schema) {
  const { type, oneOf } = schema;
  return {
    ...schema,
    ...(Array.isArray(type) && { type: type.filter((it) => it !== "null") }),
    ...(oneOf && { oneOf: oneOf.filter((it) => it.type !== "null") }),
  };
}

/** TypeScript for one schema of the document. */
function typeOf(schema) {
  if (schema.$ref) return schema.$ref.split("/").pop();
  if (schema.enum) return schema.enum.map((word) => JSON.stringify(word)).join(" | ");
  const choices = schema.oneOf ?? schema.anyOf;
  if (choices) return choices.map(typeOf).join(" | ");
  if (schema.allOf) return schema.allOf.map(typeOf).join(" & ");
  const types = [schema.type].flat();
  if (types.length > 1) {
    return types.map((type) => typeOf({ ...schema, type })).join(" | ");
  }
  switch (types[0]) {
    case "array":
      return `(${typeOf(schema.items)})[]`;
    case "object": {
      if (!schema.properties) {
        const values = schema.additionalProperties;
        return `Record<string, ${values ? typeOf(values) : "unknown"}>`;
      }
      const required = new Set(schema.required ?? []);
      const members = Object.entries(schema.properties).map(([name, member]) => {
        // What is null in an answer is absent from the feed.
        const type = typeOf(present(member));
        const optional = required.has(name) ? "" : "?";
        return `${JSON.stringify(name)}${optional}: ${type}${optional && " | null | undefined"};`;
      });
      return `{ ${members.join(" ")} }`;
    }
    case "integer":
    case "number":
      return "number";
    case "string":
    case "boolean":
    case "null":
      return types[0];
    default:
      return "unknown";
  }
}

async function types() {
  const text = await readFile(here("../../docs/reference/openapi.json"), "utf8");
  const { schemas } = JSON.parse(text).components;
  const lines = Object.entries(schemas).map(([name, it]) => `export type ${name} = ${typeOf(it)};`);
  await mkdir(here("web/generated"), { recursive: true });
  const head = "// Made by build.mjs from the OpenAPI document.\n";
  await writeFile(here("web/generated/api.ts"), `${head}${lines.join("\n")}\n`);
}

/** What browsers get, by file name. */
async function bundle() {
  const { outputFiles } = await build({
    entryPoints: { app: here("web/main.tsx") },
    outdir: here("dist"),
    bundle: true,
    write: false,
    minify: true,
    target: "es2022",
    format: "esm",
    charset: "utf8",
    legalComments: "none",
    // Licences of what is bundled ask to be named in every copy.
    banner: { js: await notices() },
    jsx: "automatic",
    jsxImportSource: "preact",
  });
  const files = new Map(outputFiles.map((file) => [file.path.split("/").pop(), file.text]));
  for (const name of ["index.html", "icon.svg"]) {
    files.set(name, await readFile(here(`web/${name}`), "utf8"));
  }
  // Forge's page knows that it is one.
  const page = files.get("index.html");
  files.set("forge.html", page.replace('<html lang="en">', '<html lang="en" data-forge>'));
  return files;
}

async function notices() {
  const { dependencies } = JSON.parse(await readFile(here("package.json"), "utf8"));
  const notices = await Promise.all(
    Object.entries(dependencies).map(async ([name, version]) => {
      const licence = await readFile(here(`node_modules/${name}/LICENSE`), "utf8");
      return `${name} ${version}\n${licence.trim()}`;
    }),
  );
  return `/*!\n${notices.join("\n\n")}\n*/`;
}

async function tests() {
  const names = (await readdir(here("tests"))).filter((name) => name.endsWith(".test.ts"));
  await rm(here("node_modules/.tests"), { recursive: true, force: true });
  await build({
    entryPoints: names.map((name) => here(`tests/${name}`)),
    outdir: here("node_modules/.tests"),
    outExtension: { ".js": ".mjs" },
    bundle: true,
    packages: "external",
    platform: "node",
    target: "node18",
    format: "esm",
    jsx: "automatic",
    jsxImportSource: "preact",
  });
}

await types();
if (process.argv.includes("--tests")) {
  await tests();
} else if (process.argv.includes("--types")) {
  // They are written.
} else {
  const files = await bundle();
  const check = process.argv.includes("--check");
  for (const [name, text] of files) {
    const path = here(`dist/${name}`);
    if (!check) {
      await writeFile(path, text);
    } else if ((await readFile(path, "utf8")) !== text) {
      console.error(`dist/${name} is not what web/ gives: run \`npm run build\` and commit it`);
      process.exitCode = 1;
    }
  }
  const bytes = [...files.values()].reduce((sum, text) => sum + Buffer.byteLength(text), 0);
  console.log(`${check ? "checked" : "wrote"} ${files.size} files, ${bytes} bytes`);
}
