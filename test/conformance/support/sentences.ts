/** The sentences of a Markdown document of the specification, as plain text: what the titles of the tests quote. */

const REQUIREMENT = /\b(MUST|REQUIRED|SHALL)\b/;
const ABBREVIATION = /\b(e\.g|i\.e|etc)\.$/;

/** Every sentence, list entry and table row, without links, emphasis, footnotes and line breaks. Code fences are left out. */
export function readSentences(markdown: string): string[] {
  const text = markdown.replaceAll(/^ *```[\s\S]*?^ *```/gm, '').replaceAll(/^\[[^\]]+\]: .*$/gm, '');
  return paragraphs(text).map(plain).flatMap(splitSentences);
}

/** The titles of the sections. */
export function readHeadings(markdown: string): string[] {
  return [...markdown.matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) => plain(heading));
}

/** Whether a sentence demands something: MUST, MUST NOT, REQUIRED, SHALL as RFC 2119 means them. */
export function demands(sentence: string): boolean {
  return REQUIREMENT.test(sentence);
}

function paragraphs(text: string): string[] {
  const found: string[] = [];
  let open = false;
  for (const line of text.split('\n')) {
    const starts = /^\s*([*-]|\d+\.|\||#|>)\s?/.test(line);
    if (line.trim() === '') open = false;
    else if (open && !starts) found.push(`${found.pop()} ${line.trim()}`);
    else {
      found.push(line.trim());
      open = true;
    }
  }
  return found;
}

function plain(paragraph: string): string {
  return paragraph
    .replace(/^([*-]|\d+\.|>)\s+/, '')
    .replaceAll(/<a [^>]*>/g, '')
    .replaceAll(/\[\^\d\]/g, '')
    .replaceAll(/\[((?:[^[\]]|\[[^\]]*\])*)\](\([^)]*\)|\[[^\]]*\])/g, '$1')
    .replaceAll(/\*\*|\*(?=[(\w])|(?<=[)\w])\*/g, '')
    .replaceAll(/\s+/g, ' ')
    .trim();
}

function splitSentences(paragraph: string): string[] {
  const sentences: string[] = [];
  for (const part of paragraph.split(/(?<=[.:]\)?) (?=[A-Z`[])/)) {
    const before = sentences.at(-1);
    if (before !== undefined && ABBREVIATION.test(before))
      sentences[sentences.length - 1] = `${before} ${part}`;
    else sentences.push(part);
  }
  return sentences;
}
