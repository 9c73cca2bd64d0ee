// PM2's numbers of processes.

/** PM2's id of a process: a number, or `_old_3` for one that a reload is replacing. */
export type PmId = number | string;
