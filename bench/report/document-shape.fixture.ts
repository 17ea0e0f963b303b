/** Compares the shape of a JSON document with one that the bench wrote before, field by field. */
import { readFileSync } from 'node:fs';
import { expect } from 'vitest';
import { compiledFile } from '../../src/compiled-file.ts';

/** Types by path, as in `runs[].server.cpuCores`; several where a member may be null. */
type Shape = Readonly<Record<string, string>>;

const SHAPES = JSON.parse(readFileSync(compiledFile('../bench/report/document-shape.json'), 'utf8')) as Record<
  string,
  Shape
>;

/** Objects whose keys are codes. */
const BY_CODE = /ByCode$/;

function addShape(value: unknown, path: string, shape: Map<string, Set<string>>): void {
  const type = value === null ? 'null' : Array.isArray(value) ? 'array' : typeof value;
  shape.set(path || '$', (shape.get(path || '$') ?? new Set()).add(type));
  if (Array.isArray(value)) for (const each of value) addShape(each, `${path}[]`, shape);
  else if (type === 'object' && !BY_CODE.test(path)) {
    for (const [key, member] of Object.entries(value as object)) addShape(member, path ? `${path}.${key}` : key, shape);
  }
}

/** Every field of `names`' documents of before is there, and of the same type, or null. */
export function expectShape(document: unknown, ...names: readonly string[]): void {
  const shape = new Map<string, Set<string>>();
  addShape(JSON.parse(JSON.stringify(document)), '', shape);
  const wanted = Object.assign({}, ...names.map((name) => SHAPES[name])) as Shape;
  const wrong = Object.entries(wanted).flatMap(([path, types]) => {
    // Of an empty array, and of a member that is null, the members are unknown.
    const parents = [...path.matchAll(/\[\]|\./g)].map(({ index }) => path.slice(0, index));
    if (parents.some((parent) => shape.get(parent)?.has('null'))) return [];
    if (parents.some((parent) => shape.get(parent)?.has('array') && !shape.has(`${parent}[]`))) return [];
    const found = [...(shape.get(path) ?? ['missing'])];
    return found.every((type) => type === 'null' || types.includes(type) || types === 'null')
      ? []
      : [[path, types, found]];
  });
  expect(wrong).toEqual([]);
}
