"use strict";
// The only way from data to the page. Text becomes text nodes, never markup; attributes are those listed; links stay inside.
const ATTRIBUTES = /^(class|href|id|title|type|role|tabindex|name|hidden|checked|open|(data|aria)-[a-z-]+)$/;

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (!ATTRIBUTES.test(name)) throw new Error(`No attribute ${name}.`);
    if (name === "href" && !String(value).startsWith("#")) throw new Error(`No link to ${value}.`);
    element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== "" && child !== false));
  return element;
}

// `words in backticks` as code.
function prose(text) {
  return text.split(/`([^`\n]+)`/).map((part, index) => (index % 2 ? make("code", {}, part) : part));
}

function address(values) {
  return "#" + new URLSearchParams(values);
}

function signed(value) {
  return (value < 0 ? "−" : "+") + Math.abs(value).toFixed(2);
}
