// Tells which instances cover each other. Two instances do if they listen on the same address; that they belong to the same app is
// not enough, because each may have a port of its own.

import type { ListenAddress } from '../../contract/standing.ts';
import type { Member } from './fleet.ts';

/** The addresses of a process, by whether others take connections there while it takes none. */
export interface Cover {
  /** Addresses at which another instance listens. */
  covered: ListenAddress[];
  /** Addresses at which no other instance listens. */
  alone: ListenAddress[];
}

/** @param others the other instances of the app that serve now */
export function coverOf(member: Member, others: readonly Member[]): Cover {
  const known = others.flatMap((other) => (other.addresses ? [other.addresses] : []));
  // An instance without an agent does not tell where it listens. It is believed to share the address, unless the siblings show
  // that each instance has addresses of its own.
  const believed = others.length > known.length && !areApart([member.addresses ?? [], ...known]);
  const cover: Cover = { covered: [], alone: [] };
  for (const address of member.addresses ?? []) {
    const isCovered = believed || known.some((addresses) => isAmong(address, addresses));
    (isCovered ? cover.covered : cover.alone).push(address);
  }
  return cover;
}

/** Does a process that listens on these take the connections to this address once its own process listens no longer? */
export function isAmong(address: ListenAddress, addresses: readonly ListenAddress[]): boolean {
  // If two processes bind the same socket path themselves, only the later one gets connections.
  return reaches(
    address.at,
    addresses.filter(({ own, at }) => !own || !isPath(at)),
  );
}

/** Does a process that listens on these addresses get connections to `at`? */
export function reaches(at: string, addresses: readonly ListenAddress[]): boolean {
  return addresses.some((other) => other.at === at || other.at === wildcardOf(at));
}

/** `0.0.0.0:3000` of `127.0.0.1:3000`: the kernel prefers the specific address while a process listens there. */
function wildcardOf(at: string): string {
  if (isPath(at)) return at;
  const port = at.slice(at.lastIndexOf(':') + 1);
  return at.startsWith('[') ? `[::]:${port}` : `0.0.0.0:${port}`;
}

function isPath(at: string): boolean {
  return !/^(\[[^\]]+\]|[\d.]+):\d+$/.test(at);
}

/** Has each of these instances only addresses of its own? */
function areApart(instances: readonly (readonly ListenAddress[])[]): boolean {
  if (instances.length < 2) return false;
  return instances.every((addresses, index) =>
    addresses.every((address) => !instances.some((others, at) => at !== index && isAmong(address, others))),
  );
}

/**
 * The addresses of an instance on which a second process can listen beside it: a cluster's primary shares them, or a sibling
 * listens there already.
 */
export function shareable({ addresses = [] }: Member, siblings: readonly Member[]): ListenAddress[] {
  return addresses.filter(
    (address) => !address.own || siblings.some((sibling) => isAmong(address, sibling.addresses ?? [])),
  );
}

/** Addresses for a person to read. */
export function list(addresses: readonly ListenAddress[]): string {
  return addresses.length === 0 ? 'nothing' : [...new Set(addresses.map(({ at }) => at))].join(', ');
}
