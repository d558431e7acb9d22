// What an official SDK's own declarations say that an answer of the server looks like.
//
// The SDK trusts the server: its code checks nothing that it receives. Its TypeScript declarations, generated from the
// server's OpenAPI document, are the specification all the same, and are read here to check answers against.

import { readFileSync, readdirSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

const FIELD = /^ {4}'(?<name>\w+)'(?<optional>\?)?: (?<type>[^;{]+);$/gm;
const DICTIONARY = /^ {4}'(?<name>\w+)'(?<optional>\?)?: \{\n(?:\s*\/\*\*[\s\S]*?\*\/\n)?\s*\[key: string\]: (?<type>[^;{]+);\n/gm;
const INTERFACE = /export interface (\w+) \{/;
const CHOICES = /export declare const (\w+): \{([^}]*)\}/;
const CHOICE = /readonly \w+: "([^"]*)"/g;

/** The declarations of one installed SDK. */
export class Declarations {
  #interfaces = new Map();
  #choices = new Map();

  constructor(packageName) {
    const main = createRequire(import.meta.url).resolve(packageName);
    const models = join(dirname(main), "generated-client", "models");
    for (const file of readdirSync(models).filter((name) => name.endsWith(".d.ts"))) {
      this.#read(readFileSync(join(models, file), "utf8"));
    }
  }

  #read(text) {
    const [, interfaceName] = INTERFACE.exec(text) ?? [];
    if (interfaceName) {
      const fields = new Map();
      for (const { groups } of text.matchAll(FIELD)) {
        fields.set(groups.name, { optional: Boolean(groups.optional), type: groups.type });
      }
      for (const { groups } of text.matchAll(DICTIONARY)) {
        fields.set(groups.name, { optional: Boolean(groups.optional), type: `Record<${groups.type}> | null` });
      }
      this.#interfaces.set(interfaceName, fields);
    }
    const [, choiceName, choices] = CHOICES.exec(text) ?? [];
    if (choiceName) {
      this.#choices.set(choiceName, new Set([...choices.matchAll(CHOICE)].map(([, value]) => value)));
    }
  }

  /** What of `value` is not as `type` has it: a list of sentences, empty when all is well. */
  faults(type, value, path = type) {
    const wanted = type.replace(/ \| null$/, "");
    if (value === null) return wanted === type ? [`${path} is null`] : [];
    const list = /^Array<(.+)>$/.exec(wanted);
    if (list) {
      if (!Array.isArray(value)) return [`${path} is no list`];
      return value.flatMap((entry, at) => this.faults(list[1], entry, `${path}[${at}]`));
    }
    const record = /^Record<(.+)>$/.exec(wanted);
    if (record) {
      return Object.entries(value).flatMap(([key, entry]) => this.faults(record[1], entry, `${path}.${key}`));
    }
    if (["string", "number", "boolean"].includes(wanted)) {
      return typeof value === wanted ? [] : [`${path} is ${JSON.stringify(value)}, no ${wanted}`];
    }
    if (this.#choices.has(wanted)) {
      return this.#choices.get(wanted).has(value) ? [] : [`${path} is ${JSON.stringify(value)}, no ${wanted}`];
    }
    if (this.#interfaces.has(wanted)) return this.#faultsOfObject(wanted, value, path);
    return [`${path}: the SDK declares no ${wanted}`];
  }

  #faultsOfObject(name, value, path) {
    if (typeof value !== "object" || Array.isArray(value)) return [`${path} is no object`];
    const fields = this.#interfaces.get(name);
    const missing = [...fields].filter(([field, { optional }]) => !optional && !(field in value));
    const found = Object.entries(value).flatMap(([field, entry]) =>
      fields.has(field) ? this.faults(fields.get(field).type, entry, `${path}.${field}`) : [`${path}.${field} is unknown`],
    );
    return [...missing.map(([field]) => `${path}.${field} is missing`), ...found];
  }
}
