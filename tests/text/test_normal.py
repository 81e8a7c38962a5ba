"""normal_form: programs that differ in layout only are one."""

from burnish.text.normal import normal_form


def test_layout_comments_and_docstrings_do_not_matter():
    assert normal_form("def f(a):\n  'Doc.'\n  return (a)  # yes\n") == normal_form("def f( a ):\n    return a")
    assert normal_form("def f():\n    'Doc.'") == normal_form("def f():\n    pass")


def test_what_the_program_does_matters():
    assert normal_form("x = 1") != normal_form("x = 2")
    assert normal_form("x = '#'") != normal_form("x = ''")


def test_other_text_is_compared_without_its_blanks():
    assert normal_form("int  main ;\n") == normal_form("int main ;")
    assert normal_form("") == ""
