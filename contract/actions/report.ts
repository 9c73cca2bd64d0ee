// Node's diagnostic report as a file, without secrets.
import type { Action, Help, NoParams } from './declaration.ts';

export interface ReportFields {
  file: string;
  bytes: number;
}

export const action: Action<NoParams, ReportFields> = {
  params: {},
  deadlineMs: 60_000,
};

export const help: Help<typeof action> = {
  summary: "Writes Node's diagnostic report, without the environment and the values of arguments.",
  params: {},
};
