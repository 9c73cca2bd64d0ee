// Kills of the kernel, counted as the kernel counts them; the files are ours, because few machines let a test run out of memory.
import assert from 'node:assert/strict';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { beforeEach, describe, it } from 'node:test';
import { watchOutOfMemory } from '../../../module/recorder/outOfMemory.ts';
import { tempFolder } from '../../../testkit/folders.ts';

const PID = 4711;
const V2 = 'sys/fs/cgroup/app.slice/memory.events';
const V1 = 'sys/fs/cgroup/memory/app/memory.oom_control';

describe('kills by the kernel for lack of memory', () => {
  let root: string;
  beforeEach(() => {
    root = tempFolder();
    put('proc/vmstat', 'pgfault 1\noom_kill 7\n');
  });

  function put(file: string, text: string): void {
    mkdirSync(dirname(join(root, file)), { recursive: true });
    writeFileSync(join(root, file), text);
  }

  it('are told of a process in whose cgroup one was counted since, and of one process only', () => {
    put(`proc/${PID}/cgroup`, '0::/app.slice\n');
    put(V2, 'low 0\noom 2\noom_kill 3\n');
    const memory = watchOutOfMemory(root);
    memory.learn(PID);
    assert.equal(memory.claim(PID), undefined);
    put(V2, 'low 0\noom 3\noom_kill 4\n');
    assert.match(memory.claim(PID) ?? '', /app\.slice/);
    assert.equal(memory.claim(PID), undefined);
  });

  it('are found with the first version of cgroups, too', () => {
    put(`proc/${PID}/cgroup`, '4:memory:/app\n0::/\n');
    put(V1, 'oom_kill_disable 0\nunder_oom 0\noom_kill 0\n');
    const memory = watchOutOfMemory(root);
    memory.learn(PID);
    put(V1, 'oom_kill_disable 0\nunder_oom 0\noom_kill 1\n');
    assert.match(memory.claim(PID) ?? '', /oom_control/);
  });

  it('are found by the count of the host where the cgroup is gone with its process', () => {
    put(`proc/${PID}/cgroup`, '0::/app.slice\n');
    put(V2, 'oom_kill 0\n');
    const memory = watchOutOfMemory(root);
    memory.learn(PID);
    rmSync(join(root, dirname(V2)), { recursive: true });
    put('proc/vmstat', 'oom_kill 8\n');
    assert.match(memory.claim(PID) ?? '', /vmstat/);
  });

  it('are those of other cgroups if its own has counted none', () => {
    put(`proc/${PID}/cgroup`, '0::/app.slice\n');
    put(V2, 'oom_kill 0\n');
    const memory = watchOutOfMemory(root);
    memory.learn(PID);
    put('proc/vmstat', 'oom_kill 8\n');
    assert.equal(memory.claim(PID), undefined);
  });

  it('are unknown, and no error, where the kernel tells nothing', () => {
    rmSync(join(root, 'proc'), { recursive: true });
    const memory = watchOutOfMemory(root);
    memory.learn(PID);
    memory.look();
    assert.equal(memory.claim(PID), undefined);
  });
});
