/** Runes everywhere; read by svelte-check and the editor. */
export default { compilerOptions: { runes: true } };
