// Reads JSON and keeps where each value stands, so that a mistake in a file that a person has written is told by its line.

/** Where something stands in a text, counted from 1. */
export interface Position {
  line: number;
  column: number;
}

/** A mistake in the text, and where. */
export class JsonError extends Error {
  constructor(
    message: string,
    readonly at: Position,
  ) {
    super(message);
  }
}

export interface ReadJson {
  value: unknown;
  /** Where the value of a path stands; of a path that leads nowhere, where its nearest parent stands. */
  positionOf(path: readonly PropertyKey[]): Position;
}

/** Deeper nesting is no rule, and would take the stack of the reader. */
const DEEPEST = 20;

/** @throws {JsonError} */
export function readJson(text: string): ReadJson {
  /** Offsets by path. */
  const offsets = new Map<string, number>();
  let at = 0;

  skipBlanks();
  const value = readValue([]);
  skipBlanks();
  if (at < text.length) fail(`nothing may follow the last bracket, but there is ${shown()}`);
  return {
    value,
    positionOf(path) {
      for (let length = path.length; length >= 0; length--) {
        const offset = offsets.get(keyOf(path.slice(0, length)));
        if (offset !== undefined) return positionAt(offset);
      }
      return positionAt(0);
    },
  };

  function readValue(path: readonly PropertyKey[]): unknown {
    if (path.length > DEEPEST) fail(`nested more than ${DEEPEST} deep`);
    offsets.set(keyOf(path), at);
    const first = text[at];
    if (first === '{') return readObject(path);
    if (first === '[') return readArray(path);
    if (first === '"') return readString();
    const word = /^[\w.+-]+/.exec(text.slice(at, at + 100))?.[0];
    if (word === undefined) fail(`a value is missing before ${shown()}`);
    let read: unknown;
    try {
      read = JSON.parse(word);
    } catch {
      fail(`${JSON.stringify(word)} is no value: texts stand in double quotes`);
    }
    at += word.length;
    return read;
  }

  function readObject(path: readonly PropertyKey[]): object {
    const object: Record<string, unknown> = {};
    at++;
    skipBlanks();
    while (text[at] !== '}') {
      if (text[at] !== '"') fail(`the name of a field, in double quotes, is missing before ${shown()}`);
      const beganAt = at;
      const name = readString();
      if (name === '__proto__' || Object.hasOwn(object, name)) {
        at = beganAt;
        fail(name === '__proto__' ? '"__proto__" is no field' : `the field ${JSON.stringify(name)} is there twice`);
      }
      // A mistake in a field is told where its name stands.
      skipBlanks();
      if (text[at] !== ':') fail(`a colon is missing before ${shown()}`);
      at++;
      skipBlanks();
      object[name] = readValue([...path, name]);
      offsets.set(keyOf([...path, name]), beganAt);
      afterItem('}');
    }
    at++;
    return object;
  }

  function readArray(path: readonly PropertyKey[]): unknown[] {
    const array: unknown[] = [];
    at++;
    skipBlanks();
    while (text[at] !== ']') {
      array.push(readValue([...path, array.length]));
      afterItem(']');
    }
    at++;
    return array;
  }

  /** Reads the comma after an item, if the end does not follow. */
  function afterItem(end: string): void {
    skipBlanks();
    if (text[at] === end) return;
    if (text[at] !== ',') fail(`a comma or ${end} is missing before ${shown()}`);
    at++;
    skipBlanks();
    if (text[at] === end) fail(`nothing follows the comma before ${end}`);
  }

  function readString(): string {
    const literal = /"(?:[^"\\\n]|\\.)*"/y;
    literal.lastIndex = at;
    const found = literal.exec(text)?.[0];
    if (found === undefined) fail('a text has no closing quote in its line');
    try {
      const read = JSON.parse(found) as string;
      at += found.length;
      return read;
    } catch {
      fail(`${found.slice(0, 40)} is no text of JSON`);
    }
  }

  function skipBlanks(): void {
    while (at < text.length && /[ \t\r\n]/.test(text[at] ?? '')) at++;
  }

  function shown(): string {
    return at >= text.length ? 'the end of the file' : JSON.stringify(text.slice(at, at + 10).split('\n')[0]);
  }

  function fail(message: string): never {
    throw new JsonError(message, positionAt(at));
  }

  function positionAt(offset: number): Position {
    const before = text.slice(0, offset).split('\n');
    return { line: before.length, column: (before.at(-1)?.length ?? 0) + 1 };
  }
}

function keyOf(path: readonly PropertyKey[]): string {
  return JSON.stringify(path.map(String));
}
