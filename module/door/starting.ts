// Which process is it that comes to the door? PM2's list lags behind its processes; the kernel does not.
import { type App, appOf, DEFAULT_NAMESPACE } from '../../contract/app.ts';
import type { PmId } from '../../contract/pmId.ts';
import { environmentOf } from '../../shared/linux/environment.ts';
import { readStat } from '../../shared/linux/proc.ts';
import type { Fleet } from '../fleet/fleet.ts';

export interface Starting {
  /** Did this module's daemon start that process, under that id? */
  isOf(pmId: number, pid: number): boolean;
  /**
   * A process that starts, or listens again, shares the sockets of this one.
   * @param pmId its id; one that is not known yet unless told
   * @returns the undo
   */
  expectBeside(model: PmId, pmId?: PmId): () => void;
  /** Is another process expected to share the sockets of this one? */
  isShared(model: number): boolean;
  /** Whose sockets a process shares that was expected. */
  modelOf(pmId: number, pid: number): number | undefined;
  /** PM2's `created_at` of an id, which it sets anew when somebody has it restarted. */
  createdMs(pmId: number): number | undefined;
  sawCreated(pmId: number, createdMs: number): void;
}

export function createStarting(fleet: Pick<Fleet, 'get'>, daemonPid = process.ppid): Starting {
  const expected = new Set<{ model: number; app: App; isMeant: (pmId: number) => boolean }>();
  const created = new Map<number, number>();

  return {
    isOf(pmId, pid) {
      return readStat(pid)?.parent === daemonPid && environmentOf(pid).get('pm_id') === String(pmId);
    },
    expectBeside(model, pmId) {
      const member = fleet.get(model);
      if (!member) return () => {};
      const isMeant = pmId === undefined ? isNewId() : (id: number) => id === pmId;
      const entry = { model: Number(model), app: appOf(member.process), isMeant };
      expected.add(entry);
      return () => void expected.delete(entry);
    },
    isShared: (model) => [...expected].some((each) => each.model === model),
    modelOf(pmId, pid) {
      const variables = environmentOf(pid);
      const app = appOf({
        namespace: variables.get('namespace') || DEFAULT_NAMESPACE,
        name: variables.get('name') ?? '',
      });
      return [...expected].find((each) => each.app === app && each.model !== pmId && each.isMeant(pmId))?.model;
    },
    createdMs: (pmId) => created.get(pmId),
    sawCreated: (pmId, createdMs) => void created.set(pmId, createdMs),
  };

  /** Ids are given once, in rising order, as long as PM2 lists a process: a new one has none that was listed before. */
  function isNewId(): (pmId: number) => boolean {
    const ids = new Set([...created.keys()]);
    return (pmId) => !ids.has(pmId);
  }
}
