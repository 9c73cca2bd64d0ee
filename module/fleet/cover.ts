// Who can stand in for whom? Whoever listens on the same address: a name says nothing of it, since each instance may have a
// port of its own.

import type { ListenAddress } from '../../contract/standing.ts';
import type { Member } from './fleet.ts';

/** What becomes of a process's addresses while it takes no connections. */
export interface Cover {
  /** Where others go on to take them. */
  covered: ListenAddress[];
  /** Where nobody does. */
  alone: ListenAddress[];
}

/** @param others that serve now, of the same app */
export function coverOf(member: Member, others: readonly Member[]): Cover {
  const known = others.flatMap((other) => (other.addresses ? [other.addresses] : []));
  // What has no agent does not say where it listens. Its siblings tell whether each of them has addresses of its own.
  const believed = others.length > known.length && !areApart([member.addresses ?? [], ...known]);
  const cover: Cover = { covered: [], alone: [] };
  for (const address of member.addresses ?? []) {
    const isCovered = believed || known.some((addresses) => isAmong(address, addresses));
    (isCovered ? cover.covered : cover.alone).push(address);
  }
  return cover;
}

/** Does one that listens on these get the connections to this address when nobody else does? */
export function isAmong(address: ListenAddress, addresses: readonly ListenAddress[]): boolean {
  // A socket's path that two processes bind themselves is that of the later one alone.
  return reaches(
    address.at,
    addresses.filter(({ own, at }) => !own || !isPath(at)),
  );
}

/** Do connections to that address come to one that listens on these? */
export function reaches(at: string, addresses: readonly ListenAddress[]): boolean {
  return addresses.some((other) => other.at === at || other.at === wildcardOf(at));
}

/** `0.0.0.0:3000` of `127.0.0.1:3000`: the kernel prefers the latter as long as somebody listens there. */
function wildcardOf(at: string): string {
  if (isPath(at)) return at;
  const port = at.slice(at.lastIndexOf(':') + 1);
  return at.startsWith('[') ? `[::]:${port}` : `0.0.0.0:${port}`;
}

function isPath(at: string): boolean {
  return !/^(\[[^\]]+\]|[\d.]+):\d+$/.test(at);
}

/** Does none of them share an address with another one? */
function areApart(instances: readonly (readonly ListenAddress[])[]): boolean {
  if (instances.length < 2) return false;
  return instances.every((addresses, index) =>
    addresses.every((address) => !instances.some((others, at) => at !== index && isAmong(address, others))),
  );
}

/**
 * Those of an instance's addresses that a second process can listen on beside it: a cluster's primary shares them out, or a
 * sibling does listen there.
 */
export function shareable({ addresses = [] }: Member, siblings: readonly Member[]): ListenAddress[] {
  return addresses.filter(
    (address) => !address.own || siblings.some((sibling) => isAmong(address, sibling.addresses ?? [])),
  );
}

/** For a person. */
export function list(addresses: readonly ListenAddress[]): string {
  return addresses.length === 0 ? 'nothing' : [...new Set(addresses.map(({ at }) => at))].join(', ');
}
