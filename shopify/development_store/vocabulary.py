"""The words a development shop is made of: three assortments and the names of people who do not exist."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Assortment:
    """What one kind of shop sells: its name and its products with their price in US dollars."""

    shop_name: str
    products: tuple[tuple[str, str], ...]


ASSORTMENTS = (
    Assortment(
        "Harbour Roasters",
        (
            ("Morning Tide Espresso 250 g", "14.50"),
            ("Lighthouse Filter Roast 250 g", "13.90"),
            ("Deep Water Decaf 250 g", "15.20"),
            ("Harbour Blend 1 kg", "42.00"),
            ("Kenya Nyeri AA 250 g", "17.80"),
            ("Ethiopia Guji Natural 250 g", "18.40"),
            ("Cold Brew Bags, box of 10", "21.00"),
            ("Pour-over Dripper, white", "24.00"),
            ("Paper Filters, pack of 100", "6.50"),
            ("Hand Grinder", "79.00"),
            ("Gooseneck Kettle 0.9 l", "64.00"),
            ("Enamel Mug", "12.00"),
            ("Tasting Set, 4 x 60 g", "22.50"),
            ("Brewing Scale", "39.00"),
            ("Coffee Subscription Gift Card", "50.00"),
            ("Oat Biscuits", "4.80"),
        ),
    ),
    Assortment(
        "Fell & Fern Outdoor",
        (
            ("Merino Hiking Socks", "19.00"),
            ("Trail Cap, moss", "27.00"),
            ("Waxed Rucksack 22 l", "139.00"),
            ("Insulated Bottle 750 ml", "34.00"),
            ("Wool Beanie, slate", "25.00"),
            ("Rain Shell, women", "189.00"),
            ("Rain Shell, men", "189.00"),
            ("Camp Stool", "45.00"),
            ("Titanium Spork", "11.50"),
            ("Head Torch 400 lm", "49.00"),
            ("Map Case", "17.00"),
            ("Dry Bag 10 l", "22.00"),
            ("First Aid Pouch", "31.00"),
            ("Picnic Blanket", "58.00"),
            ("Bootlaces 150 cm", "5.50"),
            ("Pocket Stove", "69.00"),
        ),
    ),
    Assortment(
        "Clay & Linen",
        (
            ("Stoneware Bowl, oat", "28.00"),
            ("Stoneware Plate, oat", "26.00"),
            ("Espresso Cup, pair", "32.00"),
            ("Linen Tablecloth 150 x 250", "96.00"),
            ("Linen Napkins, set of 4", "38.00"),
            ("Serving Board, walnut", "54.00"),
            ("Bud Vase", "18.50"),
            ("Salt Cellar", "16.00"),
            ("Tea Towel, striped", "13.00"),
            ("Butter Dish", "36.00"),
            ("Candle Holder, brass", "41.00"),
            ("Beeswax Candles, box of 6", "19.90"),
            ("Planter, large", "72.00"),
            ("Utensil Jar", "33.00"),
            ("Apron, indigo", "47.00"),
            ("Glaze Sampler", "9.00"),
        ),
    ),
)

FORMER_PRODUCTS = ("Winter Sampler (discontinued)", "Founders' Edition Tote", "Summer Bundle 2024")
"""Titles that live on in old orders although their product was deleted."""

_FIRST_NAMES = (
    "Ada Amir Anouk Beatriz Bram Carla Chidi Dana Daniel Elif Emma Farid Femke Grace Hana Hugo Ines Ivan Jae June "
    "Kofi Lars Leila Lena Liam Mara Mateo Mina Nadia Noah Olga Omar Paula Priya Quinn Rosa Ruben Sana Sven Tara "
    "Theo Uma Viktor Wanda Yara Yusuf Zoe"
)

_LAST_NAMES = (
    "Abara Almeida Andersen Baker Bianchi Castillo Chen Costa Demir Dubois Eriksen Fischer Garcia Haddad Hansen "
    "Ito Jansen Kaya Keller Kim Kowalski Laurent Lindqvist Lopez Martin Meyer Moreau Nakamura Novak Okafor Olsen "
    "Patel Petrov Quist Rahman Rossi Sato Schmidt Silva Sorensen Tanaka Torres Ueda Vargas Weber Wilson Yilmaz"
)

FIRST_NAMES = tuple(_FIRST_NAMES.split())
LAST_NAMES = tuple(_LAST_NAMES.split())
