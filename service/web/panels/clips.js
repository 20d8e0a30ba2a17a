import { h } from "/web/dom.js";
export class Clips { constructor() { this.root = h("section"); } changed() {} }
