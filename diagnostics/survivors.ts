// Which code allocates the memory that stays? Groups what was allocated while V8 sampled and is still there by the place in
// the app, and by time: a leak keeps something of every stretch of time, a cache that replaces its entries nothing of the
// early ones, and an object that is made once (compiled code, a pool) belongs to one stretch.
import { type CallFrame, isEvaluated, isOurs, keyOf, ownerOf } from './frames.ts';
import { allocators, type Callers, nearest } from './heapSampling.ts';
import type { HeapProfile } from './profileFile.ts';

/** The samples are cut into so many stretches of equal length; the fullest ones do not count. */
const STRETCHES = 5;
const FULLEST = 2;

export interface Site {
  frame: CallFrame;
  /** The library's function that allocates for it. */
  inside?: CallFrame;
  /** Bytes that are still there, and those of them that stay as they would in a leak. */
  kept: number;
  stays: number;
  samples: number;
}

export interface Survivors {
  /** The one of which most stays, first. */
  sites: Site[];
  /** Bytes that are still there and that one site alone has made, at the most. */
  largest: number;
  /** Bytes that stay as they would in a leak. */
  stays: number;
}

export function survivorsOf({ head, samples }: HeapProfile): Survivors {
  const last = samples.reduce((max, { ordinal }) => Math.max(max, ordinal), 1);
  const places = new Map<number, { key: string; frame: CallFrame; inside: CallFrame | undefined }>();
  for (const { node, above } of allocators(head)) {
    const callers: Callers = { frame: node.callFrame, above };
    const frame = siteOf(callers);
    // Our own allocations are not the app's.
    if (!isCode(frame) && nearest(callers, (each) => isOurs(each) || isEvaluated(each))) continue;
    const allocator = nearest(callers, (each) => ownerOf(each) !== 'native') ?? frame;
    places.set(node.id, { key: keyOf(frame), frame, inside: allocator === frame ? undefined : allocator });
  }
  const bySite = new Map<string, Site & { stretches: number[] }>();
  for (const { size, nodeId, ordinal } of samples) {
    const place = places.get(nodeId);
    if (!place) continue;
    let site = bySite.get(place.key);
    if (!site) {
      const { frame, inside } = place;
      const stretches = new Array<number>(STRETCHES).fill(0);
      site = { frame, ...(inside ? { inside } : {}), kept: 0, stays: 0, samples: 0, stretches };
      bySite.set(place.key, site);
    }
    site.kept += size;
    site.samples += 1;
    site.stretches[Math.min(STRETCHES - 1, Math.floor(((ordinal - 1) / last) * STRETCHES))]! += size;
  }
  const sites = [...bySite.values()].map(({ stretches, ...site }) => ({ ...site, stays: staysOf(stretches) }));
  return {
    sites: sites.sort((a, b) => b.stays - a.stays || b.kept - a.kept),
    largest: sites.reduce((most, { kept }) => Math.max(most, kept), 0),
    stays: sites.reduce((sum, { stays }) => sum + stays, 0),
  };
}

/** The app's own nearest function; else a library's, else Node's. */
function siteOf(callers: Callers): CallFrame {
  return (
    nearest(callers, (frame) => ownerOf(frame) === 'app') ??
    nearest(callers, (frame) => ownerOf(frame) === 'library') ??
    nearest(callers, (frame) => ownerOf(frame) === 'node') ??
    callers.frame
  );
}

function isCode(frame: CallFrame): boolean {
  const owner = ownerOf(frame);
  return owner === 'app' || owner === 'library';
}

/** The emptier stretches, as if all were like them. */
function staysOf(stretches: number[]): number {
  const counted = stretches.toSorted((a, b) => a - b).slice(0, STRETCHES - FULLEST);
  return (counted.reduce((sum, bytes) => sum + bytes, 0) * STRETCHES) / counted.length;
}
