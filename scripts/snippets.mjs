/**
 * The code blocks of the documents, as programs.
 *
 * - In a README each block marked js or ts is a program of its own, and it ends by itself with exit code 0. A line
 *   `<!-- snippet: skip, REASON -->` before a block leaves it out.
 * - In `docs/` only a block after a line `<!-- snippet: run -->` is one.
 * - A js block may load packages by `require` or by `import`; it is run in both forms. In the `require` form
 *   `await` at the top level is allowed, as it is with `import`.
 */

/**
 * @typedef {object} Snippet
 * @property {string} where file and line
 * @property {'js' | 'ts'} language
 * @property {string} code with as many empty lines before it as its document has, so that messages name the right line
 */

const BLOCK = /(?:^<!-- snippet: (run|skip)(?:, ([^\n]*?))? -->\n+)?^```(js|ts)\n([\s\S]*?)^```$/gm;

/**
 * @param {string} file name, for messages
 * @param {string} text Markdown
 * @param {boolean} byDefault whether a block without a mark is a snippet
 * @returns {Snippet[]}
 */
export function findSnippets(file, text, byDefault) {
  return [...text.matchAll(BLOCK)]
    .filter(([, mark]) => (mark ? mark === 'run' : byDefault))
    .map(({ 0: block, 3: language, 4: code, index }) => {
      const line = text.slice(0, index + block.indexOf('```')).split('\n').length;
      return { where: `${file}:${line}`, language, code: '\n'.repeat(line) + code };
    });
}

const REQUIRE = /^(?:const|let|var) (\w+|\{[^}]*\}) = require\(('[^']+'|"[^"]+")\);?$/gm;
const IMPORT = /^import (?:(\w+)|\* as (\w+)|(\{[^}]*\})) from ('[^']+'|"[^"]+");?$/gm;

/** The snippet as an ES module. */
export function asModule(code) {
  return code.replace(REQUIRE, (_, names, from) => `import ${names.replaceAll(':', ' as')} from ${from};`);
}

/** The snippet as a CommonJS script. */
export function asScript(code) {
  const imports = [];
  const body = code.replace(IMPORT, (_, name, star, names, from) => {
    imports.push(`const ${name ?? star ?? names.replaceAll(/\s+as\s+/g, ': ')} = require(${from});`);
    return '';
  });
  if (imports.length === 0 && !/^(?:[^\n]*\W)?await\W/m.test(code)) return code;
  return `${imports.join(' ')}(async () => {${body}\n})();\n`;
}
