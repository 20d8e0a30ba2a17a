import { h } from "/web/dom.js";
export class Counts { constructor() { this.root = h("section"); } }
