// `why`: the last exits of an app, and their causes.
import type { Failure } from '../../../contract/errors.ts';
import type { WhyReply } from '../../../contract/exits.ts';
import { answerWhy, type WhyParts } from '../../recorder/why.ts';
import type { WhyAsked } from '../request.ts';

/** How many exits come with their lines and figures. PM2 prints the reply of a trigger as one text. */
const IN_FULL = { command: 20, trigger: 1 };

export interface WhyCommandParts extends WhyParts {
  /** Reads PM2's list anew. */
  refresh(): Promise<void>;
}

export async function why({ refresh, ...parts }: WhyCommandParts, asked: WhyAsked): Promise<WhyReply | Failure> {
  await refresh();
  const { by, ...request } = asked;
  return answerWhy(parts, request, IN_FULL[by]);
}
