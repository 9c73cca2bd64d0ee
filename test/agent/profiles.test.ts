import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { type AgentProcess, startAgentProcess } from '../../testkit/agentProcess.ts';
import { app, tempFolder } from '../../testkit/folders.ts';
import { get, untilServing } from '../../testkit/load.ts';
import { nodes } from '../../testkit/nodes.ts';
import { ensureBuilt } from '../../testkit/package.ts';
import { freePort, waitFor } from '../../testkit/wait-for.ts';
import { checkCpuProfile, checkHeapProfile } from '../support/profiles.ts';
import { compiled, lineOf } from '../support/sources.ts';

interface Place {
  function: string;
  file: string;
  line: number;
  hotLine?: number;
  share: number;
  compiled?: string;
}

interface Profile {
  ok: boolean;
  code?: string;
  message?: string;
  hint?: string;
  file: string;
  bytes: number;
  seconds: number;
  busy: number;
  top: Place[];
}

before(() => ensureBuilt());

for (const node of nodes()) {
  describe(`profiles on Node ${node.major}`, { concurrency: 4 }, () => {
    const started: Started[] = [];
    const start = async (script: string) => {
      const one = await startServing(script, node.path);
      started.push(one);
      return one;
    };
    after(() => {
      for (const { agent } of started) agent.kill();
    });

    it('name what computes and what holds memory, in files that open, for CommonJS, ES modules and with a worker', async () => {
      const both = await Promise.all([start(app('profiles/busy.cjs')), start(app('profiles/module.mjs'))]);
      for (const { agent, script, stateDir } of both) {
        // One of each at the same time.
        const [cpu, heap] = await Promise.all([
          agent.run<Profile>('cpu-profile', { seconds: 2 }),
          agent.run<Profile>('heap-profile', { seconds: 2 }),
        ]);
        assert.equal(cpu.ok, true, JSON.stringify(cpu));
        assert.equal(heap.ok, true, JSON.stringify(heap));
        const hot = cpu.top.slice(0, 3).find((each) => each.function === 'hotLoop');
        assert.equal(hot?.file, script, JSON.stringify(cpu.top));
        assert.equal(hot.line, lineOf(script, 'function hotLoop'));
        assert.equal(hot.hotLine, lineOf(script, 'Math.sqrt'));
        assert.ok(cpu.busy > 0.05 && cpu.busy <= 1 && hot.share > 0.1, JSON.stringify(cpu));
        const holds = heap.top[0]!;
        assert.deepEqual([holds.function, holds.file], ['holdOn', script], JSON.stringify(heap.top));
        assert.equal(holds.line, lineOf(script, 'function holdOn'));
        assert.ok(checkCpuProfile(readFileSync(cpu.file, 'utf8')).has('hotLoop'));
        assert.ok(checkHeapProfile(readFileSync(heap.file, 'utf8')).has('holdOn'));
        assert.match(cpu.file, /\/profiles\/app-0-\d+-\d{8}T\d{9}Z\.cpuprofile$/);
        assert.match(heap.file, /\/profiles\/app-0-\d+-\d{8}T\d{9}Z\.heapprofile$/);
        for (const { file, bytes } of [cpu, heap]) {
          assert.equal(statSync(file).mode & 0o777, 0o600);
          assert.equal(statSync(file).size, bytes);
        }
        assert.equal(statSync(join(stateDir, 'profiles')).mode & 0o777, 0o700);
        assert.deepEqual(partials(stateDir), []);
      }
    });

    it('name the lines that somebody wrote where there is a source map, and the compiled ones where it is broken', async () => {
      const source = app('profiles/service.ts');
      const variants = {
        'beside it': (map: string, code: string, folder: string) => {
          writeFileSync(join(folder, 'service.js.map'), map);
          return `${code}\n//# sourceMappingURL=service.js.map\n`;
        },
        inline: (map: string, code: string) =>
          `${code}\n//# sourceMappingURL=data:application/json;base64,${Buffer.from(map).toString('base64')}\n`,
        broken: (map: string, code: string, folder: string) => {
          writeFileSync(join(folder, 'service.js.map'), map.slice(0, map.length / 2).replaceAll('A', '!'));
          return `${code}\n//# sourceMappingURL=service.js.map\n`;
        },
        missing: (_map: string, code: string) => `${code}\n//# sourceMappingURL=gone.js.map\n`,
      };
      await Promise.all(
        Object.entries(variants).map(async ([variant, place]) => {
          const folder = tempFolder();
          const { code, map } = await compiled(source);
          const script = join(folder, 'service.js');
          writeFileSync(script, place(map, code, folder));
          const { agent } = await start(script);
          const cpu = await agent.run<Profile>('cpu-profile', { seconds: 2 });
          const heap = await agent.run<Profile>('heap-profile', { seconds: 2 });
          const mapped = variant === 'beside it' || variant === 'inline';
          const file = mapped ? source : script;
          const said = `${variant}: ${JSON.stringify([cpu, heap], null, 1)}`;
          const compute = cpu.top.find((each) => each.function === 'computeJob');
          assert.equal(compute?.file, file, said);
          assert.equal(compute.line, lineOf(file, 'function computeJob'), said);
          assert.equal(compute.hotLine, lineOf(file, 'Math.sqrt'), said);
          assert.equal(compute.compiled, mapped ? `${script}:${lineOf(script, 'function computeJob')}` : undefined);
          const keep = heap.top.find((each) => each.function === 'keepRows');
          assert.deepEqual([keep?.file, keep?.line], [file, lineOf(file, 'function keepRows')], said);
          agent.kill();
        }),
      );
    });

    it('are made one at a time of each kind, and never disturb one that a person makes', async () => {
      const { agent, port } = await start(app('profiles/busy.cjs'));
      const first = agent.run<Profile>('cpu-profile', { seconds: 2 });
      const second = await agent.run<Profile>('cpu-profile', { seconds: 1 });
      assert.equal(second.code, 'E_BUSY', JSON.stringify(second));
      const report = agent.run<Profile>('leak-report', { seconds: 5 });
      const beside = await agent.run<Profile>('heap-profile', { seconds: 1 });
      assert.equal(beside.code, 'E_BUSY', JSON.stringify(beside));
      assert.match(beside.message!, /leak-report is already running/);
      assert.equal((await first).ok, true);
      assert.equal((await report).ok, true);
      // A person samples the heap at the inspector.
      const sample = async (command: string) => (await get({ port, path: `/sample?command=${command}` })).body;
      assert.equal(await sample('startSampling'), 'ok');
      const refused = await agent.run<Profile>('heap-profile', { seconds: 1 });
      assert.equal(refused.code, 'E_BUSY', JSON.stringify(refused));
      assert.match(refused.message!, /a debugger samples the heap/);
      assert.equal(await sample('getSamplingProfile'), 'ok', 'theirs goes on');
      assert.equal(await sample('stopSampling'), 'ok');
      assert.equal((await agent.run<Profile>('heap-profile', { seconds: 1 })).ok, true);
    });

    it('of a process whose agent is taken out end with that, and leave no profiler and no file', async () => {
      const { agent, port, stateDir } = await start(app('profiles/busy.cjs'));
      const replies = ['cpu-profile', 'heap-profile'].map((action) => agent.run<Profile>(action, { seconds: 600 }));
      const sampling = async () => (await get({ port, path: '/sample?command=getSamplingProfile' })).body;
      await waitFor(async () => (await sampling()) === 'ok', { what: 'the heap to be sampled' });
      agent.detach();
      for (const reply of await Promise.all(replies)) {
        assert.equal(reply.code, 'E_STATE', JSON.stringify(reply));
        assert.match(reply.message!, /told to detach/);
      }
      assert.match(await sampling(), /was not started/);
      assert.deepEqual(readdirSync(join(stateDir, 'profiles')), []);
      assert.equal((await get({ port })).status, 200);
    });

    it('do not keep a process that exits, nor change how, and leave nothing behind then', async () => {
      // Several: V8 ends a process that exits in the middle of a profile with a segmentation fault, one time in seven.
      await Promise.all(
        Array.from({ length: 5 }, async () => {
          const { agent, port, stateDir } = await start(app('profiles/busy.cjs'));
          const replies = ['cpu-profile', 'heap-profile'].map((action) => agent.run<Profile>(action, { seconds: 600 }));
          const gone = Promise.all(replies.map((reply) => assert.rejects(reply, /exited with 7/)));
          await waitFor(() => existsSync(join(stateDir, 'profiles')), { what: 'the profile to begin' });
          await get({ port, path: '/exit' }).catch(() => {});
          await gone;
          assert.deepEqual(readdirSync(join(stateDir, 'profiles')), []);
        }),
      );
    });

    it('show what blocked the event loop, as soon as it is free again', async () => {
      const { agent, port, script } = await start(app('profiles/busy.cjs'));
      const reply = agent.run<Profile>('cpu-profile', { seconds: 1 });
      await get({ port, path: '/block?ms=2500' });
      const { seconds, top, ok } = await reply;
      assert.ok(ok && seconds > 2, `${seconds} s`);
      assert.deepEqual([top[0]?.function, top[0]?.file], ['hotLoop', script]);
      assert.ok(top[0]!.share > 0.3, JSON.stringify(top));
    });

    it('are refused before anything is profiled where they cannot be written', async () => {
      const { agent, stateDir } = await start(app('profiles/busy.cjs'));
      rmSync(join(stateDir, 'profiles'), { recursive: true, force: true });
      writeFileSync(join(stateDir, 'profiles'), 'a file where the folder should be');
      for (const action of ['cpu-profile', 'heap-profile', 'leak-report']) {
        const reply = await agent.run<Profile>(action, { seconds: 600 }, 20_000);
        assert.equal(reply.code, 'E_DISK', JSON.stringify(reply));
      }
    });

    it('are kept like dumps: the newest five of an instance', async () => {
      const { agent, stateDir } = await start(app('profiles/busy.cjs'));
      const folder = join(stateDir, 'profiles');
      mkdirSync(folder, { recursive: true });
      for (let day = 10; day < 17; day++) {
        writeFileSync(join(folder, `app-0-99-202601${day}T000000000Z.heapprofile`), 'old');
        writeFileSync(join(folder, `app-8-99-202601${day}T000000000Z.cpuprofile`), "another instance's");
      }
      const { file } = await agent.run<Profile>('cpu-profile', { seconds: 1 });
      const left = readdirSync(folder).map((name) => join(folder, name));
      assert.ok(left.includes(file));
      assert.equal(left.filter((name) => name.includes('app-0-')).length, 5);
      assert.equal(left.filter((name) => name.includes('app-8-')).length, 7);
    });
  });
}

interface Started {
  agent: AgentProcess;
  script: string;
  port: number;
  stateDir: string;
}

async function startServing(script: string, node: string): Promise<Started> {
  const port = await freePort();
  const stateDir = tempFolder();
  const agent = await startAgentProcess(script, {
    stateDir,
    node,
    // Code that replaced a loop while it ran, before the profile began, is not known to V8's profiler.
    flags: ['--no-use-osr'],
    env: { PORT: String(port) },
  });
  await untilServing({ port }, 60_000);
  return { agent, script, port, stateDir };
}

function partials(stateDir: string): string[] {
  return readdirSync(join(stateDir, 'profiles')).filter((name) => name.endsWith('.partial'));
}
