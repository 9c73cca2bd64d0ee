// Can a second instance take the clients of one that is replaced? Where it cannot, a reload leaves a gap, and needs `force`.
import { list } from '../../fleet/cover.ts';
import type { ReloadContext } from './context.ts';
import { onlineInstancesOf } from './formerAddresses.ts';
import { ReloadFailure } from './reloadFailure.ts';

/** @returns why clients would be refused for a moment, or undefined where they would not */
export function whyGap(context: ReloadContext): ReloadFailure | undefined {
  const { title, addresses, sockets, parts } = context;
  const members = onlineInstancesOf(parts.fleet, context.app);
  const isFork = members.some(({ process: listed }) => listed.mode === 'fork');
  const accept = `accept a gap: ${context.lines.again('force')}`;
  for (const { pmId } of members.map((member) => member.process)) {
    const own = addresses.of(pmId) ?? [];
    if (own.length === 0 || addresses.shareableOf(pmId).length > 0) continue;
    const why = sockets.whyNot(pmId);
    return new ReloadFailure(
      'E_STATE',
      `instance ${pmId} of ${title} ${isFork ? 'runs in fork mode and ' : ''}holds ${list(own)} by itself, and no other instance listens there: clients would be refused while it restarts${why === undefined ? '' : ` (its socket cannot be passed on: ${why})`}`,
      isFork
        ? `run it in cluster mode (exec_mode: "cluster" in its configuration), or ${accept}`
        : `let it listen without "exclusive", or ${accept}`,
    );
  }
  const known = members.filter(({ process: listed }) => addresses.of(listed.pmId) !== undefined);
  if (!isFork || known.length === members.length) return undefined;
  if (addresses.serves() || members.some(({ attachment }) => attachment.is !== 'attached')) {
    return new ReloadFailure(
      'E_STATE',
      `${title} runs in fork mode, and where it listens is not known: clients may be refused while it restarts`,
      `look at: pm2-ops status; run it in cluster mode, or ${accept}`,
    );
  }
  if (members.length > 1) return undefined;
  return new ReloadFailure(
    'E_STATE',
    `${title} runs in fork mode, is a single process and listens on nothing: a second one beside it might do its work twice`,
    `restart it in place, where a bad deploy is not held back: ${context.lines.again('force')}; or run it in cluster mode`,
  );
}
