// PM2's ids of processes.

/** PM2's id of a process: a number, or `_old_3` for one that a reload is replacing. */
export type PmId = number | string;

/** The id under which PM2 manages a process and its successors: 3 for `_old_3`. */
export function slotOf(pmId: PmId): PmId {
  const old = /^_old_(\d+)$/.exec(String(pmId))?.[1];
  return old === undefined ? pmId : Number(old);
}

/** Is it the id of a process that a reload is about to end? */
export function isParkedId(pmId: PmId): boolean {
  return slotOf(pmId) !== pmId;
}

/** Are these ids of the same process? It may be asked under one and answer under the other, if a reload begins meanwhile. */
export function isSameSlot(a: PmId, b: PmId): boolean {
  return slotOf(a) === slotOf(b);
}
