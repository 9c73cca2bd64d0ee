// Writes a profile as a file for DevTools and speedscope, piece by piece: the app gets its turn between two pieces, and
// the text is never in memory as a whole.
import { accessSync, constants } from 'node:fs';
import { Refusal } from '../contract/errors.ts';
import { openRegular } from '../shared/files/regularFile.ts';
import { createPartial, discard, folderOf, newFile, pruneOwn, publish, type Store } from './files.ts';
import type { CallFrame } from './frames.ts';

/** V8's CPU profile: a tree as a list, and which node each sample was in. Times in microseconds. */
export interface CpuProfile {
  nodes: CpuNode[];
  startTime: number;
  endTime: number;
  samples: number[];
  timeDeltas: number[];
}

export interface CpuNode {
  id: number;
  callFrame: CallFrame;
  children?: number[];
  /** Samples by line, from 1. */
  positionTicks?: { line: number; ticks: number }[];
}

/** V8's sampled heap: a tree of what allocated, and every sample, younger ones with a higher ordinal. Sizes in bytes. */
export interface HeapProfile {
  head: HeapNode;
  samples: { size: number; nodeId: number; ordinal: number }[];
}

export interface HeapNode {
  id: number;
  callFrame: CallFrame;
  selfSize: number;
  children: HeapNode[];
}

/** Elements of a list in one piece of text: some tens of kilobytes. */
const PIECE = 500;

/** Refuses, before anything is profiled, a folder that nothing could be written to. @throws {Refusal} E_DISK */
export function checkFolder(store: Store): void {
  try {
    accessSync(folderOf(store, 'profiles'), constants.W_OK);
  } catch (error) {
    throw diskRefusal(store, error);
  }
}

/**
 * Writes a profile, and removes the oldest ones of this instance.
 * @param ending `cpuprofile` or `heapprofile`
 * @throws {Refusal} E_DISK; nothing is left behind then
 */
export async function writeProfile(
  store: Store,
  ending: 'cpuprofile' | 'heapprofile',
  text: Iterable<string>,
): Promise<{ file: string; bytes: number }> {
  let partial: string | undefined;
  try {
    const file = newFile(store, 'profiles', ending);
    partial = createPartial(file);
    await writePieces(partial, text);
    const bytes = await publish(partial, file);
    pruneOwn(store, 'profiles');
    return { file, bytes };
  } catch (error) {
    if (partial !== undefined) discard(partial);
    throw diskRefusal(store, error);
  }
}

async function writePieces(file: string, text: Iterable<string>): Promise<void> {
  const handle = await openRegular(file, constants.O_WRONLY);
  try {
    for (const piece of text) await handle.appendFile(piece);
  } finally {
    await handle.close();
  }
}

/** The text of a `.cpuprofile`. */
export function* cpuProfileText({ nodes, startTime, endTime, samples, timeDeltas }: CpuProfile): Generator<string> {
  yield '{"nodes":[';
  yield* list(nodes);
  yield `],"startTime":${startTime},"endTime":${endTime},"samples":[`;
  yield* list(samples);
  yield '],"timeDeltas":[';
  yield* list(timeDeltas);
  yield ']}';
}

/**
 * The text of a `.heapprofile`.
 * @param extra further fields, which the tools pass over
 */
export function* heapProfileText(
  { head, samples }: HeapProfile,
  extra: Record<string, unknown> = {},
): Generator<string> {
  let piece = '{"head":';
  // Not by recursion: an app's call stacks can be deeper than ours may get.
  const stack: (HeapNode | string)[] = [head];
  for (let each = stack.pop(); each !== undefined; each = stack.pop()) {
    if (typeof each === 'string') piece += each;
    else {
      const { children, ...node } = each;
      piece += `${JSON.stringify(node).slice(0, -1)},"children":[`;
      stack.push(']}');
      for (let i = children.length - 1; i >= 0; i--) stack.push(children[i]!, ...(i > 0 ? [','] : []));
    }
    if (piece.length > 2 ** 15) {
      yield piece;
      piece = '';
    }
  }
  yield `${piece},"samples":[`;
  yield* list(samples);
  yield ']';
  for (const [name, value] of Object.entries(extra)) yield `,${JSON.stringify(name)}:${JSON.stringify(value)}`;
  yield '}';
}

function* list(elements: unknown[]): Generator<string> {
  for (let i = 0; i < elements.length; i += PIECE) {
    yield (i > 0 ? ',' : '') + JSON.stringify(elements.slice(i, i + PIECE)).slice(1, -1);
  }
}

function diskRefusal({ folder }: Store, error: unknown): unknown {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === undefined || error instanceof Refusal) return error;
  return new Refusal(
    'E_DISK',
    `the profile could not be written: ${message}`,
    `check space and permissions of ${folder}; nothing was left behind`,
  );
}
