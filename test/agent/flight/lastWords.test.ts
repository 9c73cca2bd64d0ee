import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { LAST_WORDS_FOLDER, type LastWords } from '../../../contract/lastWords.ts';
import { readLastWords } from '../../../module/figures/lastWords.ts';
import { readStat } from '../../../shared/linux/proc.ts';
import { type AgentProcess, startAgentProcess } from '../../../testkit/agentProcess.ts';
import { app, tempFolder } from '../../../testkit/folders.ts';
import { get, untilServing } from '../../../testkit/load.ts';
import { nodes } from '../../../testkit/nodes.ts';
import { freePort, within } from '../../../testkit/wait-for.ts';
import { cannotMount, mountSmall } from '../../support/limits.ts';

interface Ended {
  words: LastWords | undefined;
  code: number | null;
  signal: string | null;
  stateDir: string;
}

interface Running extends AgentProcess {
  ask(path: string): Promise<unknown>;
  /** Asks for a path, and waits for the end. */
  endBy(path: string): Promise<Ended>;
  stateDir: string;
}

for (const { path: node, version } of nodes()) {
  describe(`the last words of a process on Node ${version}`, { concurrency: 4 }, () => {
    it('tell the exception that ended it, with its stack', async () => {
      const { words, code } = await (await start()).endBy('/throw');
      assert.equal(code, 1);
      const { at, stack, ...rest } = words!.exception!;
      assert.deepEqual(rest, {
        fatal: true,
        origin: 'uncaughtException',
        name: 'TypeError',
        message: 'the price is missing',
      });
      assert.match(stack, /at fail \(.*ends\.cjs:\d+:\d+\)|at Immediate\.fail .*ends\.cjs/);
      assert.ok(at <= words!.at);
      assert.deepEqual([words!.exitCode, words!.ranDry, words!.exitStack, words!.exceptions], [1, false, undefined, 1]);
    });

    it('tell a rejection that Node throws as the exception that it is', async () => {
      const { words } = await (await start()).endBy('/reject');
      const { origin, message, fatal } = words!.exception!;
      assert.deepEqual(
        { origin, message, fatal },
        {
          origin: 'unhandledRejection',
          message: 'nobody waits for this',
          fatal: true,
        },
      );
    });

    it('tell who called process.exit, with which code', async () => {
      const { words, code } = await (await start()).endBy('/exit');
      assert.equal(code, 7);
      assert.equal(words!.exitCode, 7);
      assert.match(words!.exitStack!, /leave.*ends\.cjs:\d+:\d+/);
      assert.doesNotMatch(words!.exitStack!, /pm2-ops/);
      assert.deepEqual([words!.ranDry, words!.exception], [false, undefined]);
    });

    it('tell who called an exit of its own, too', async () => {
      const { words } = await (await start('own-exit')).endBy('/exit');
      assert.equal(words!.exitCode, 7);
      assert.match(words!.exitStack!, /ownExit[\s\S]*leave/);
    });

    it('tell that nothing was left to do, and the code that it had set', async () => {
      const dry = (await (await start()).endBy('/dry')).words!;
      assert.deepEqual([dry.exitCode, dry.ranDry, dry.exitStack], [0, true, undefined]);
      const coded = (await (await start()).endBy('/exit-code')).words!;
      assert.deepEqual([coded.exitCode, coded.ranDry, coded.exitStack], [3, true, undefined]);
    });

    it('are there although a listener of the app to its exit throws', async () => {
      const { words } = await (await start('exit-throws')).endBy('/exit');
      assert.match(words!.exitStack!, /leave/);
    });

    it('do not lie of a process that handles its exceptions itself', async () => {
      const running = await start('uncaughtException');
      for (let i = 0; i < 10; i++) await running.ask('/throw');
      await running.run('gc');
      assert.deepEqual(wordFiles(running.stateDir), [], 'it goes on, so there are none');
      const { words } = await running.endBy('/exit');
      assert.deepEqual([words!.exceptions, words!.exception?.fatal, words!.exitCode], [10, false, 7]);
      assert.ok(words!.exception!.message.length > 0);
    });

    it('are written at the exception, because a handler may end the process in any way', async () => {
      const { words, signal } = await (await start()).endBy('/throw-and-abort');
      assert.equal(signal, 'SIGKILL');
      assert.deepEqual([words!.exception!.message, words!.exitCode], ['the price is missing', undefined]);
    });

    it('count the rejections that a listener of the app swallows, and end nothing', async () => {
      const running = await start('unhandledRejection');
      for (let i = 0; i < 3; i++) await running.ask('/reject');
      await running.ask('/reject-text');
      const { words } = await running.endBy('/exit');
      assert.equal(words!.unhandledRejections, 4);
      assert.equal(words!.lastRejection!.message, 'nobody waits for this');
      assert.deepEqual([words!.exceptions, words!.exception], [0, undefined]);
    });

    it('change nothing for a listener to rejections that the app adds once', async () => {
      const running = await start();
      await running.ask('/once');
      await running.ask('/reject');
      await running.run('gc');
      const { words, code } = await running.endBy('/reject');
      assert.equal(code, 1, 'Node throws the second');
      assert.deepEqual([words!.unhandledRejections, words!.exception!.origin], [1, 'unhandledRejection']);
    });

    it('are none where a signal ends it, and where the agent has left', async () => {
      const killed = await (await start()).endBy('/signal');
      assert.deepEqual([killed.words, killed.signal], [undefined, 'SIGKILL']);
      const running = await start();
      running.detach();
      await within(10_000, 'the agent to leave', bye(running));
      assert.equal((await running.endBy('/exit')).words, undefined);
    });

    it('are for their user only', async () => {
      const { stateDir } = await (await start()).endBy('/exit');
      const [file] = wordFiles(stateDir);
      const folder = join(stateDir, LAST_WORDS_FOLDER);
      assert.deepEqual([statSync(folder).mode & 0o777, statSync(join(folder, file!)).mode & 0o777], [0o700, 0o600]);
    });

    it('are missing on a full disk, and the process ends as without us', { skip: cannotMount() }, async () => {
      const stateDir = tempFolder();
      const unmount = mountSmall(stateDir, 'size=4k,nr_inodes=1');
      try {
        assert.equal((await (await start('', stateDir)).endBy('/exit')).code, 7);
        assert.equal((await (await start('', stateDir)).endBy('/throw')).code, 1);
      } finally {
        unmount();
      }
    });
  });

  async function start(handles = '', stateDir = tempFolder()): Promise<Running> {
    mkdirSync(stateDir, { recursive: true });
    const port = await freePort();
    const agentProcess = await startAgentProcess(app('ends.cjs'), {
      stateDir,
      node,
      env: { PORT: String(port), HANDLES: handles },
    });
    await untilServing({ port });
    const { child } = agentProcess;
    const startTicks = readStat(child.pid!)!.startTime;
    const ask = (path: string) => get({ port, path }).catch(() => {});
    return {
      ...agentProcess,
      stateDir,
      ask,
      async endBy(path) {
        const ended = once(child, 'exit') as Promise<[number | null, string | null]>;
        void ask(path);
        const [code, signal] = await within(20_000, `its end by ${path}`, ended);
        return { words: readLastWords(stateDir, child.pid!, startTicks), code, signal, stateDir };
      },
    };
  }
}

function wordFiles(stateDir: string): string[] {
  const folder = join(stateDir, LAST_WORDS_FOLDER);
  return existsSync(folder) ? readdirSync(folder) : [];
}

function bye({ child }: AgentProcess): Promise<void> {
  return new Promise((resolve) => {
    child.on('message', (message: { data?: { kind?: string } }) => {
      if (message.data?.kind === 'bye') resolve();
    });
  });
}
