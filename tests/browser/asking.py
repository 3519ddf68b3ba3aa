"""What journeys that ask questions share: a document to ask about, and the asking."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.corpora import give_documents

KETTLE = """# Kettles

## Descaling

Descale the kettle every three months with citric acid: two spoons in a full kettle, boil once,
wait twenty minutes, rinse twice.

## Whistling

The kettle whistles when the water boils. Lift the lid to stop the whistle.
"""
DROP = """([zone, files]) => {
  const transfer = new DataTransfer();
  for (const [name, text] of files) transfer.items.add(new File([text], name));
  for (const type of ["dragover", "drop"]) {
    zone.dispatchEvent(new DragEvent(type, { dataTransfer: transfer, bubbles: true, cancelable: true }));
  }
}"""


def drop(page, *files):
    page.evaluate_handle(DROP, [page.locator("#dropzone").element_handle(), list(files)])


def add_kettle(tenant):
    """Without a browser and a worker: that a dropped file is indexed is the main path's to prove."""
    give_documents(tenant, {"kettle.md": ("public", KETTLE)})


def ask(page, question):
    """Returns the turn, complete."""
    place = page.locator(".turn").count()
    page.keyboard.press("/")
    expect(page.get_by_label("Your question")).to_be_focused()
    page.keyboard.type(question)
    page.keyboard.press("Enter")
    turn = page.locator(".turn").nth(place)
    expect(turn.locator(".turn-footer")).to_be_visible(timeout=30_000)
    return turn
