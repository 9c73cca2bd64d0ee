// Guesses what a mistyped word means: "did you mean heapdump?".

/**
 * The known word that is nearest to the one that was typed.
 * @returns undefined when no word is near enough
 */
export function nearest(typed: string, known: readonly string[]): string | undefined {
  const lower = typed.toLowerCase();
  const begins = known.filter((word) => lower.length >= 3 && word.startsWith(lower));
  if (begins.length === 1) return begins[0];
  // One mistake in three letters, and three at most.
  const allowed = Math.min(3, Math.max(1, Math.floor(lower.length / 3)));
  const [best] = known
    .map((word) => ({ word, mistakes: mistakes(lower, word) }))
    .filter((each) => each.mistakes <= allowed)
    .sort((a, b) => a.mistakes - b.mistakes);
  return best?.word;
}

/** `; did you mean heapdump?`, or an empty text. @param written makes the word look as it is typed, such as `--timeout` */
export function didYouMean(typed: string, known: readonly string[], written = (word: string) => word): string {
  const word = nearest(typed, known);
  return word === undefined ? '' : `; did you mean ${written(word)}?`;
}

/** The number of letters that are wrong, missing, too many or swapped (optimal string alignment). */
function mistakes(a: string, b: string): number {
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, column) => column)];
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      let least = Math.min(rows[i - 1]![j]! + 1, row[j - 1]! + 1, rows[i - 1]![j - 1]! + (same ? 0 : 1));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        least = Math.min(least, rows[i - 2]![j - 2]! + 1);
      row.push(least);
    }
    rows.push(row);
  }
  return rows[a.length]![b.length]!;
}
