// What the tests of the docs read of a Markdown file: fenced code, links and headings.

export interface Fence {
  language: string;
  lines: string[];
}

export interface Link {
  /** Path relative to the file; empty for a place in the same file. */
  path: string;
  /** Without `#`; undefined for the whole file. */
  anchor: string | undefined;
}

/** The fenced code blocks of a text. */
export function fencesOf(text: string): Fence[] {
  return [...text.matchAll(/^```(\w*)\n(.*?)^```$/gms)].map(([, language = '', code = '']) => ({
    language,
    lines: code.split('\n').filter((line) => line.trim() !== ''),
  }));
}

/** Every link and picture that leads to a file of this repository or to a place in one. */
export function linksOf(text: string): Link[] {
  const prose = text.replace(/^```.*?^```$/gms, '').replace(/`[^`\n]*`(?!\])/g, '');
  return [...prose.matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, target = '']) => target)
    .filter((target) => !/^[a-z]+:/i.test(target))
    .map((target) => {
      const [path = '', anchor] = target.split('#');
      return { path, anchor };
    });
}

/** The anchors that GitHub makes of the headings of a text. */
export function anchorsOf(text: string): string[] {
  const prose = text.replace(/^```.*?^```$/gms, '');
  const seen = new Map<string, number>();
  return [...prose.matchAll(/^#{1,6} (.+)$/gm)].map(([, heading = '']) => {
    const plain = heading.toLowerCase().replace(/[^\p{L}\p{N}\- _]/gu, '');
    const anchor = plain.replaceAll(' ', '-');
    const count = seen.get(anchor) ?? 0;
    seen.set(anchor, count + 1);
    return count === 0 ? anchor : `${anchor}-${count}`;
  });
}
