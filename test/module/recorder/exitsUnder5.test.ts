// Every way in which a process ends is told as what it was, with PM2 5.
import { recordsEveryExit } from '../../support/recordsEveryExit.ts';

recordsEveryExit('5');
