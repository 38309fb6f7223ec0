// Parses an AsyncAPI document with its own parser. Standard output: what it has to say.
import { Parser } from "@asyncapi/parser";
import { readFileSync } from "node:fs";

const { document, diagnostics } = await new Parser().parse(readFileSync(process.argv[2], "utf8"));
const said = diagnostics.map(({ severity, code, message, path }) => ({ severity, code, message, path: path.join(".") }));
process.stdout.write(JSON.stringify({ understood: document !== undefined, said }));
