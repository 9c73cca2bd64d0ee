// Whether a profile opens: what Chrome DevTools and speedscope read of it, checked as they rely on it.

import assert from 'node:assert/strict';

interface Frame {
  functionName: string;
  scriptId: string;
  url: string;
  lineNumber: number;
  columnNumber: number;
}

interface CpuProfile {
  nodes: { id: number; callFrame: Frame; hitCount?: number; children?: number[] }[];
  startTime: number;
  endTime: number;
  samples: number[];
  timeDeltas: number[];
}

interface HeapNode {
  id: number;
  callFrame: Frame;
  selfSize: number;
  children: HeapNode[];
}

/** `.cpuprofile`: one tree, whose root comes first, and every sample in it. @returns the names of its functions */
export function checkCpuProfile(text: string): Set<string> {
  const { nodes, startTime, endTime, samples, timeDeltas } = JSON.parse(text) as CpuProfile;
  assert.ok(endTime > startTime);
  assert.equal(samples.length, timeDeltas.length);
  assert.ok(samples.length > 0);
  const byId = new Map(nodes.map((node) => [node.id, node]));
  assert.equal(byId.size, nodes.length, 'ids are unique');
  assert.equal(nodes[0]?.callFrame.functionName, '(root)');
  for (const node of nodes) checkFrame(node.callFrame);
  const children = nodes.flatMap((node) => node.children ?? []);
  assert.equal(new Set(children).size, nodes.length - 1, 'every node but the root has one parent');
  for (const id of [...children, ...samples]) assert.ok(byId.has(id), `node ${id}`);
  return new Set(nodes.map(({ callFrame }) => callFrame.functionName));
}

/** `.heapprofile`: a tree of sizes, and every sample in it. @returns the names of its functions */
export function checkHeapProfile(text: string): Set<string> {
  const { head, samples } = JSON.parse(text) as { head: HeapNode; samples: { size: number; nodeId: number }[] };
  const sizes = new Map<number, number>();
  const names = new Set<string>();
  const visit = (node: HeapNode) => {
    checkFrame(node.callFrame);
    assert.ok(!sizes.has(node.id), 'ids are unique');
    assert.ok(node.selfSize >= 0);
    sizes.set(node.id, node.selfSize);
    names.add(node.callFrame.functionName);
    for (const child of node.children) visit(child);
  };
  visit(head);
  assert.equal(head.callFrame.functionName, '(root)');
  assert.ok(samples.length > 0);
  for (const { size, nodeId } of samples) assert.ok(size > 0 && (sizes.get(nodeId) ?? 0) > 0, `node ${nodeId}`);
  return names;
}

function checkFrame({ functionName, scriptId, url, lineNumber, columnNumber }: Frame): void {
  for (const text of [functionName, scriptId, url]) assert.equal(typeof text, 'string');
  for (const number of [lineNumber, columnNumber]) assert.ok(Number.isInteger(number) && number >= -1);
}
